"""What the MobileNet branch knows before training: ImageNet weights, from Keras or from a quantized file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from edgecolor.network import efficientnet
from edgecolor.network.keras_file import _first_sentence
from edgecolor.tflite.convolutions import Convolution, read_convolutions
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import DataError, ModelFileError
from edgecolor_runtime.models.signature import INPUT_SIZE

QUIETEST = 1e-3  # standard deviation below which a channel counts as dead


def is_efficientnet(weights: str) -> bool:
    """Whether a recipe's trunk is a file of EfficientNet-Lite's weights."""
    return Path(weights).suffix == ".pth"


def load_trunk(network: keras.Model, alpha: float, weights: str, lightness: F32) -> None:
    """Puts ImageNet weights into the MobileNet branch.

    Args:
        network: from `build_network` with this alpha.
        alpha: the width multiplier.
        weights: "imagenet", a file for Keras's MobileNet without top, or a quantized MobileNet V1 .tflite.
        lightness: a few dozen gray pictures (n, h, w, 1) on the network's scale; used for a .tflite only.

    Raises:
        DataError: no such file, or not a MobileNet V1 of this alpha.
    """
    if is_efficientnet(weights):
        efficientnet.load_weights(network, Path(weights))
    elif Path(weights).suffix == ".tflite":
        load_quantized(network, Path(weights), lightness)
    else:
        load_imagenet(network, alpha, weights)


def load_quantized(network: keras.Model, path: Path, lightness: F32) -> None:
    """Dequantizes a MobileNet V1 into the branch.

    Such a file has its batch norms folded into the kernels. Training needs them back, and not as an
    identity: in training they normalize by the batch at hand. So each gets the mean and the deviation that
    its channel has over `lightness`, and the scale and offset that undo them: the branch computes what the
    file says, and still does when training begins.

    Args:
        network: from `build_network`.
        path: a uint8 or int8 MobileNet V1, a classifier or without top.
        lightness: gray pictures (n, h, w, 1) on the network's scale.

    Raises:
        DataError: no such file, or not a MobileNet V1 of this width.
    """
    try:
        convolutions = read_convolutions(path.read_bytes())
    except (OSError, ModelFileError) as error:
        raise DataError(f"{path}: {error}") from error
    pairs = list(zip(_convolutions_of(network), convolutions, strict=False))
    for layer, found in pairs:
        kernel = _keras_kernel(layer, found)
        if kernel.shape != tuple(layer.kernel.shape):
            raise DataError(
                f"{path}: {layer.name} is {kernel.shape}, expected {tuple(layer.kernel.shape)}. "
                "Name a MobileNet V1 of the same --alpha."
            )
        layer.set_weights([kernel])
        norm = network.get_layer(f"{layer.name}_bn")
        gamma = np.sqrt(1 + norm.epsilon).astype(np.float32)
        norm.set_weights([np.full_like(found.bias, gamma), found.bias, 0 * found.bias, 1 + 0 * found.bias])
    if len(pairs) < len(_convolutions_of(network)):
        raise DataError(f"{path}: {len(convolutions)} convolutions, fewer than a MobileNet V1 has.")
    _normalize(network, [layer for layer, _ in pairs], lightness)


def freeze_trunk(network: keras.Model) -> None:
    """Leaves the branch's weights and statistics as they are while the rest trains."""
    for layer in network.layers:
        if in_trunk(layer.name):
            layer.trainable = False


def in_trunk(path: str) -> bool:
    """Whether a variable, by its path such as conv_dw_1_bn/gamma, is the MobileNet's."""
    return path.startswith(("conv1", "conv_dw_", "conv_pw_", efficientnet.PREFIX))


def _convolutions_of(network: keras.Model) -> list[Any]:
    """The branch's convolutions in the order they run; their names are Keras's MobileNet's."""
    names = ["conv1", *(f"conv_{kind}_{i}" for i in range(1, 14) for kind in ("dw", "pw"))]
    return [network.get_layer(name) for name in names]


def _keras_kernel(layer: Any, found: Convolution) -> F32:
    """To (h, w, in, out), or (h, w, in, 1) where depthwise; color summed, for gray pictures."""
    kernel = found.kernel.transpose(1, 2, 3, 0)
    return kernel.sum(axis=2, keepdims=True) if layer.name == "conv1" else kernel


def _normalize(network: keras.Model, layers: list[Any], lightness: F32) -> None:
    probe = keras.Model(network.input, [layer.output for layer in layers])
    for layer, out in zip(layers, probe(lightness, training=False), strict=True):
        seen = ops.convert_to_numpy(out).astype(np.float64)
        mean, variance = seen.mean((0, 1, 2)), seen.var((0, 1, 2))
        norm = network.get_layer(f"{layer.name}_bn")
        bias = norm.get_weights()[1]
        deviation = np.sqrt(np.maximum(variance, QUIETEST**2) + norm.epsilon)
        values = [deviation, bias + mean, mean, np.maximum(variance, QUIETEST**2)]
        norm.set_weights([v.astype(np.float32) for v in values])


def load_imagenet(network: keras.Model, alpha: float, weights: str | Path = "imagenet") -> None:
    """Puts ImageNet weights into the MobileNet branch.

    The first kernel is summed over red, green and blue: a gray picture is one whose three channels are equal.

    Args:
        network: from `build_network` with this alpha.
        alpha: 0.25, 0.5, 0.75 or 1.0 for the published weights.
        weights: "imagenet", which Keras downloads and caches, or a file for Keras's MobileNet without top.
    """
    if weights != "imagenet" and not Path(weights).is_file():
        raise DataError(f"{weights}: no such file of MobileNet weights.")
    try:
        donor = keras.applications.MobileNet(
            input_shape=(INPUT_SIZE, INPUT_SIZE, 3), alpha=alpha, include_top=False, weights=str(weights)
        )
    except Exception as error:  # Keras raises a bare one where it cannot download
        raise DataError(
            f"MobileNet weights for alpha {alpha} from {weights}: {_first_sentence(error)} "
            "Name a file with --trunk, or --trunk none to start without."
        ) from error
    for layer in donor.layers:
        if not layer.weights:
            continue
        values = layer.get_weights()
        if layer.name == "conv1":
            values = [values[0].sum(axis=2, keepdims=True)]
        network.get_layer(layer.name).set_weights(values)
