"""The network's slow layers said otherwise for training, the same arithmetic and weights; and a teacher's.

TensorFlow: Keras 3 spells training's batch normalisation out in a dozen elementwise operations, each a pass
over memory. TensorFlow has it as one, and on a CPU that makes a training step about 1.5 times faster.

JAX: XLA fuses those by itself, but has no good depthwise convolution for a GPU. As a sum of shifted pictures
it is elementwise too, and fused.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import keras
import numpy as np
from keras import ops


def for_training(network: keras.Model) -> keras.Model:
    """A network of the same layers, names and weights that trains faster; the same one on other backends.

    Args:
        network: from `build_network`.
    """
    faster = _faster()
    if not faster:
        return network

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        return faster.get(type(layer), type(layer)).from_config(layer.get_config())

    twin = keras.models.clone_model(network, clone_function=clone)
    twin.set_weights(network.get_weights())
    return twin


def for_teaching(network: keras.Model) -> keras.Model:
    """A network that answers the same and does not learn, with each batch norm folded into its convolution.

    Args:
        network: from `resized`; each of its batch norms follows a convolution without bias.
    """
    norms = {
        layer.input._keras_history.operation.name: layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }

    faster = _faster()

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind, config = faster.get(type(layer), type(layer)), layer.get_config()
        if layer.name in norms:
            return kind.from_config(config | {"use_bias": True})
        if isinstance(layer, keras.layers.BatchNormalization):
            return _Nothing(name=layer.name, dtype=layer.dtype_policy)
        return kind.from_config(config)

    twin = keras.models.clone_model(network, clone_function=clone)
    for layer in network.layers:
        if layer.name in norms:
            gamma, beta, mean, variance = norms[layer.name].get_weights()
            scale = gamma / np.sqrt(variance + norms[layer.name].epsilon)
            (kernel,) = layer.get_weights()
            # A depthwise kernel has its channels second to last: (h, w, channels, 1).
            by_channel = scale[:, None] if kernel.shape[-1] == 1 else scale
            twin.get_layer(layer.name).set_weights([kernel * by_channel, beta - mean * scale])
        elif not isinstance(layer, keras.layers.BatchNormalization):
            twin.get_layer(layer.name).set_weights(layer.get_weights())
    twin.trainable = False
    return twin


class _Nothing(keras.layers.Layer):  # type: ignore[misc]
    """Stands where a batch norm was, and is called as one."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs


def _faster() -> dict[type[keras.layers.Layer], type[keras.layers.Layer]]:
    """Keras's layers, and on this backend what takes their place."""
    if keras.backend.backend() == "tensorflow":
        return {keras.layers.BatchNormalization: _fused_layer()}
    if keras.backend.backend() == "jax":
        return {keras.layers.DepthwiseConv2D: ShiftedDepthwiseConv2D}
    return {}


class ShiftedDepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """Keras's layer as a sum of its input, shifted, times a weight for each channel (NHWC only)."""

    def call(self, inputs: Any) -> Any:
        (rows, columns), step = self.kernel_size, self.strides[0]
        if self.padding == "same":
            height, width = (-(-side // step) for side in inputs.shape[1:3])
            inputs = ops.pad(
                inputs,
                [
                    (0, 0),
                    _around(inputs.shape[1], rows, step),
                    _around(inputs.shape[2], columns, step),
                    (0, 0),
                ],
            )
        else:
            height, width = (1 + (s - k) // step for s, k in zip(inputs.shape[1:3], (rows, columns)))
        kernel = ops.cast(self.kernel, "float32")[..., 0]
        total = ops.zeros((), "float32") if self.bias is None else ops.cast(self.bias, "float32")
        for row, column in product(range(rows), range(columns)):
            bottom, right = row + (height - 1) * step + 1, column + (width - 1) * step + 1
            shifted = inputs[:, row:bottom:step, column:right:step]
            total = total + ops.cast(shifted, "float32") * kernel[row, column]
        return ops.cast(total, self.compute_dtype)


def _around(side: int, kernel: int, step: int) -> tuple[int, int]:
    """What padding `same` adds before and after."""
    total = max((-(-side // step) - 1) * step + kernel - side, 0)
    return total // 2, total - total // 2


def _fused_layer() -> type[keras.layers.BatchNormalization]:
    import tensorflow as tf

    class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
        """Keras's layer, with the training step through TensorFlow's fused operation (NHWC only)."""

        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            if not (training and self.trainable):
                return super().call(inputs, training=training, mask=mask)
            inputs = keras.ops.cast(inputs, self.compute_dtype)
            y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=tf.cast(self.gamma, tf.float32),
                offset=tf.cast(self.beta, tf.float32),
                mean=tf.zeros([0]),
                variance=tf.zeros([0]),
                epsilon=self.epsilon,
                is_training=True,
            )
            for moving, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + seen * (1.0 - self.momentum))
            return y

    return FusedBatchNormalization
