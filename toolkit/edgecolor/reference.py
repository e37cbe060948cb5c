"""The float reference: a Keras network in float32, on a GPU where there is one, else on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecolor.calibration import network_input
from edgecolor_runtime.color import F32, U8
from edgecolor_runtime.preprocess import AB_SCALE

BATCH = 16  # pictures at a time through the network


class FloatReference:
    """A .keras network on one device; a `Predictor`, too.

    TF32, which an Ampere or newer GPU would use for float32 and which has 10 bits, is off.
    """

    saturation = None

    def __init__(self, path: Path, device: str) -> None:
        """Loads the network; `device` as `devices` gives it.

        Raises:
            ModelFileError: not a Keras file of this signature.
        """
        import tensorflow as tf

        from edgecolor.network import load_network

        tf.config.experimental.enable_tensor_float_32_execution(False)
        self.name = path.name
        self.device = device
        with tf.device(device):
            self.network = load_network(path)

    def output(self, grays: U8) -> F32:
        """8-bit luma (n, 224, 224) to the network's output (n, 56, 56, 2) in [-1, 1]."""
        import tensorflow as tf

        with tf.device(self.device):
            parts = [network_input(grays[i : i + BATCH]) for i in range(0, len(grays), BATCH)]
            return np.concatenate(
                [np.asarray(self.network(part, training=False), np.float32) for part in parts]
            )

    def predict(self, grays: U8) -> F32:
        """8-bit luma (n, 224, 224) to ab in Lab units (n, 56, 56, 2)."""
        return self.output(grays) * np.float32(AB_SCALE)


def devices() -> list[str]:
    """What TensorFlow can compute on here: every GPU, then the CPU ("GPU:0", "CPU:0")."""
    import tensorflow as tf

    found = [*tf.config.list_logical_devices("GPU"), *tf.config.list_logical_devices("CPU")[:1]]
    return [device.name.removeprefix("/device:") for device in found]
