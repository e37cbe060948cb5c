"""Pretrained weights of the MobileNet: from Keras, or from a quantized file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from edgecolor.network import efficientnet
from edgecolor.network.keras_file import first_sentence
from edgecolor.tflite.convolutions import Convolution, read_convolutions
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import DataError, ModelFileError
from edgecolor_runtime.models.signature import INPUT_SIZE

MIN_DEVIATION = 1e-3  # standard deviation below which a channel counts as dead


def is_efficientnet(weights: str) -> bool:
    """Return whether a recipe's trunk is a file of EfficientNet-Lite weights."""
    return Path(weights).suffix == efficientnet.FILE_SUFFIX


def load_trunk(network: keras.Model, alpha: float, weights: str, lightness: F32) -> None:
    """Put pretrained weights into the MobileNet or the EfficientNet-Lite.

    Args:
        network: from `build_network` with this alpha.
        alpha: the width multiplier.
        weights: "imagenet", a file for Keras's MobileNet without top, a quantized MobileNet V1 (.tflite), or
            an EfficientNet-Lite (.npz).
        lightness: a few dozen gray pictures (n, h, w, 1) on the network's scale; used with a .tflite only.

    Raises:
        DataError: no such file, or weights of another network.
    """
    if is_efficientnet(weights):
        efficientnet.load_weights(network, Path(weights))
    elif Path(weights).suffix == ".tflite":
        load_quantized(network, Path(weights), lightness)
    else:
        load_imagenet(network, alpha, weights)


def load_quantized(network: keras.Model, path: Path, lightness: F32) -> None:
    """Dequantize a MobileNet V1 into the branch.

    In such a file the batch normalization is folded into the kernels. Training needs it back. It cannot be an
    identity, because in training it normalizes by the current batch. Each one therefore gets the mean and the
    deviation of its channel over `lightness`, and the scale and offset that undo both. The branch computes
    the same as the file, also when training begins.

    Args:
        network: from `build_network`.
        path: a uint8 or int8 MobileNet V1, with or without the classifier.
        lightness: gray pictures (n, h, w, 1) on the network's scale.

    Raises:
        DataError: no such file, or not a MobileNet V1 of this width.
    """
    try:
        convolutions = read_convolutions(path.read_bytes())
    except (OSError, ModelFileError) as error:
        raise DataError(f"{path}: {error}") from error
    pairs = list(zip(_convolutions_of(network), convolutions, strict=False))
    for layer, convolution in pairs:
        kernel = _to_keras_kernel(layer, convolution)
        if kernel.shape != tuple(layer.kernel.shape):
            raise DataError(
                f"{path}: {layer.name} is {kernel.shape}, expected {tuple(layer.kernel.shape)}. "
                "Name a MobileNet V1 of the same --alpha."
            )
        layer.set_weights([kernel])
        norm = network.get_layer(f"{layer.name}_bn")
        gamma = np.sqrt(1 + norm.epsilon).astype(np.float32)
        bias = convolution.bias
        norm.set_weights([np.full_like(bias, gamma), bias, np.zeros_like(bias), np.ones_like(bias)])
    if len(pairs) < len(_convolutions_of(network)):
        raise DataError(f"{path}: {len(convolutions)} convolutions, fewer than a MobileNet V1 has.")
    _normalize(network, [layer for layer, _ in pairs], lightness)


def freeze_trunk(network: keras.Model) -> None:
    """Exclude the branch's weights and statistics from training."""
    for layer in network.layers:
        if in_trunk(layer.name):
            layer.trainable = False


def in_trunk(path: str) -> bool:
    """Return whether a variable belongs to the pretrained branch, by its path, such as conv_dw_1_bn/gamma."""
    return path.startswith(("conv1", "conv_dw_", "conv_pw_", efficientnet.PREFIX))


def _convolutions_of(network: keras.Model) -> list[Any]:
    """Return the convolutions of the branch in their order. Their names are those of Keras's MobileNet."""
    names = ["conv1", *(f"conv_{kind}_{i}" for i in range(1, 14) for kind in ("dw", "pw"))]
    return [network.get_layer(name) for name in names]


def _to_keras_kernel(layer: Any, convolution: Convolution) -> F32:
    """Return a kernel (h, w, in, out), or (h, w, in, 1) if depthwise. The first one is summed over color."""
    kernel = convolution.kernel.transpose(1, 2, 3, 0)
    return kernel.sum(axis=2, keepdims=True) if layer.name == "conv1" else kernel


def _normalize(network: keras.Model, layers: list[Any], lightness: F32) -> None:
    """Set each batch normalization to the statistics of its channels, without a change of the output."""
    probe = keras.Model(network.input, [layer.output for layer in layers])
    for layer, out in zip(layers, probe(lightness, training=False), strict=True):
        output = ops.convert_to_numpy(out).astype(np.float64)
        mean, variance = output.mean((0, 1, 2)), output.var((0, 1, 2))
        norm = network.get_layer(f"{layer.name}_bn")
        bias = norm.get_weights()[1]
        deviation = np.sqrt(np.maximum(variance, MIN_DEVIATION**2) + norm.epsilon)
        values = [deviation, bias + mean, mean, np.maximum(variance, MIN_DEVIATION**2)]
        norm.set_weights([v.astype(np.float32) for v in values])


def load_imagenet(network: keras.Model, alpha: float, weights: str | Path = "imagenet") -> None:
    """Put ImageNet weights into the MobileNet branch.

    The first kernel is summed over red, green and blue, because a gray picture has three equal channels.

    Args:
        network: from `build_network` with this alpha.
        alpha: 0.25, 0.5, 0.75 or 1.0 for the published weights.
        weights: "imagenet" (Keras downloads and caches it), or a file for Keras's MobileNet without top.

    Raises:
        DataError: no such file, a failed download, or weights of another network.
    """
    if weights != "imagenet" and not Path(weights).is_file():
        raise DataError(f"{weights}: no such file of MobileNet weights. Name one with --trunk.")
    try:
        donor = keras.applications.MobileNet(
            input_shape=(INPUT_SIZE, INPUT_SIZE, 3), alpha=alpha, include_top=False, weights=str(weights)
        )
    except Exception as error:  # Keras raises a bare Exception if a download fails
        raise DataError(
            f"MobileNet weights for alpha {alpha} from {weights}: {first_sentence(error)} "
            "Name a file with --trunk, or start without pretrained weights with --trunk none."
        ) from error
    for layer in donor.layers:
        if not layer.weights:
            continue
        values = layer.get_weights()
        if layer.name == "conv1":
            values = [values[0].sum(axis=2, keepdims=True)]
        network.get_layer(layer.name).set_weights(values)
