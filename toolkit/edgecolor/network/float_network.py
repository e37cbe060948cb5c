"""The float network on pictures: one way to run a .keras file, in full float32, on a chosen device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.preprocess import network_input
from edgecolor_runtime.models.signature import INPUT_SIZE

BATCH_SIZE = 16  # pictures


class FloatNetwork:
    """A Keras network that runs in full float32.

    Ampere and newer GPUs may use TF32 for float32, which has 10 bits of precision. TF32 is off while this
    network runs, and only then.

    Attributes:
        network: the Keras model.
        device: the TensorFlow device that it runs on, such as "GPU:0"; None for the backend's own choice,
            which is a GPU if there is one.
    """

    def __init__(self, network: Any, device: str | None = None, *, is_compiled: bool = False) -> None:
        """Wrap a Keras model.

        Args:
            network: the Keras model, loaded `on_device(device)`.
            device: as the attribute.
            is_compiled: run `outputs` as one TensorFlow graph, 3 times faster after the first batch, which
                takes 0.8 s longer. Outputs differ by up to 2e-7. Exports do not use it, because a file holds
                their reference outputs.
        """
        self.network = network
        self.device = device
        self._outputs = _compile(network) if is_compiled else network

    def outputs(self, gray: U8) -> F32:
        """Run the network, a batch at a time.

        Args:
            gray: uint8 (n, 224, 224).

        Returns:
            float32 (n, 56, 56, 2) in [-1, 1].
        """
        return self._run(self._outputs, gray)[0]

    def activations(self, gray: U8, layers: Sequence[str]) -> dict[str, F32]:
        """Run the network and return the outputs of some layers.

        Args:
            gray: uint8 (n, 224, 224).
            layers: names of layers with one output.

        Returns:
            Layer name -> float32 (n, ...).
        """
        import keras

        inner = keras.Model(self.network.input, [self.network.get_layer(name).output for name in layers])
        return dict(zip(layers, self._run(inner, gray), strict=True))

    def _run(self, model: Any, gray: U8) -> list[F32]:
        batches: list[list[F32]] = []
        with _full_float32(), on_device(self.device):
            for start in range(0, len(gray), BATCH_SIZE):
                result = model(network_input(gray[start : start + BATCH_SIZE]), training=False)
                tensors = result if isinstance(result, (list, tuple)) else [result]
                batches.append([np.asarray(tensor, np.float32) for tensor in tensors])
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _compile(network: Any) -> Any:
    """Return a function that runs a network as a TensorFlow graph. Other backends: return the network."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return network
    import tensorflow as tf

    batches = tf.TensorSpec((None, INPUT_SIZE, INPUT_SIZE, 1), tf.float32)
    run = tf.function(lambda x: network(x, training=False), input_signature=[batches])
    return lambda x, training: run(x)


def on_device(device: str | None) -> Any:
    """Return a context in which TensorFlow loads and runs networks on `device`; None for its own choice."""
    if device is None:
        return nullcontext()
    import tensorflow as tf

    return tf.device(device)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Switch TF32 off, and restore the setting afterwards."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    switch = tf.config.experimental
    before = switch.tensor_float_32_execution_enabled()
    switch.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        switch.enable_tensor_float_32_execution(before)
