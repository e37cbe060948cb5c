"""EfficientNet-Lite in the MobileNet's place: for a teacher, which no device has to run.

Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", 2019
(arXiv:1905.11946); Lite is the variant of TensorFlow's authors without squeeze-and-excitation and with ReLU6.
Published weights are PyTorch files, which are read here without PyTorch.
"""

from __future__ import annotations

import collections
import math
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from edgecolor_runtime.errors import DataError

PREFIX = "lite_"  # of the names of its layers

STEM, TOP = 32, 1280  # channels of the first and the last convolution, at every scale
SCALES = {16: (1.0, 1.0), 21: (1.1, 1.2)}  # number of blocks: width, depth (Lite 0 and 2)


class Stage(NamedTuple):
    """Blocks of one kind: the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# Table 1 of the paper.
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def taps(lightness: Any, blocks: int) -> dict[int, Any]:
    """The branch on one channel, tapped at strides 4, 8, 16 and 32: the last activation before each halving.

    Args:
        lightness: the network's input.
        blocks: how many; a key of `SCALES`.
    """
    wider, deeper = SCALES[blocks]
    x = _normalized(
        layers.Conv2D(STEM, 3, 2, padding="same", use_bias=False, name=f"{PREFIX}stem"), lightness
    )
    x = _relu(x)
    found: dict[int, Any] = {}
    stride, number = 2, 0
    for place, stage in enumerate(STAGES):
        ends = place in (0, len(STAGES) - 1)
        for repeat in range(stage.blocks if ends else math.ceil(deeper * stage.blocks)):
            step = stage.stride if repeat == 0 else 1
            x, expanded = _block(x, f"{PREFIX}{number}", stage, _channels(wider * stage.channels), step)
            if step == 2:
                found[stride] = expanded
                stride *= 2
            number += 1
    top = layers.Conv2D(TOP, 1, use_bias=False, name=f"{PREFIX}top")
    found[stride] = _relu(_normalized(top, x))
    return {s: found[s] for s in (4, 8, 16, 32)}


def _block(x: Any, name: str, stage: Stage, channels: int, stride: int) -> tuple[Any, Any]:
    """An inverted residual; also gives its expanded activation, before the stride."""
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


def _channels(wished: float) -> int:
    """To a multiple of 8, by at most a tenth downwards."""
    rounded = max(8, int(wished + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wished else rounded


def blocks_in(network: keras.Model) -> int | None:
    """How many blocks a network's branch has; None where it is a MobileNet."""
    last = f"{PREFIX}top"
    names = [layer.name for layer in network.layers]
    return sum(n.startswith(PREFIX) and n.endswith("_project") for n in names) if last in names else None


def blocks_of(path: Path) -> int:
    """How many blocks the network of a file of weights has.

    Raises:
        DataError: not an EfficientNet-Lite 0 or 2.
    """
    return _blocks(path, read_state(path))


def load_weights(network: keras.Model, path: Path) -> None:
    """Puts ImageNet weights into the branch; the first kernel is summed over red, green and blue.

    Raises:
        DataError: not an EfficientNet-Lite of this network's size.
    """
    state = read_state(path)
    _blocks(path, state)
    kernels = [v for k, v in state.items() if v.ndim == 4]
    convolutions = [
        layer for layer in network.layers if layer.name.startswith(PREFIX) and hasattr(layer, "kernel")
    ]
    norms = [{k.rpartition(".")[2]: v for k, v in state.items() if k.startswith(n)} for n in _norms(state)]
    if len(kernels) != len(convolutions):
        raise DataError(f"{path}: {len(kernels)} convolutions, and the network has {len(convolutions)}.")
    for layer, kernel, norm in zip(convolutions, kernels, norms, strict=True):
        # From (out, in, h, w); a depthwise one, (channels, 1, h, w), to (h, w, channels, 1).
        deep = isinstance(layer, layers.DepthwiseConv2D)
        turned = kernel.transpose(2, 3, 0, 1) if deep else kernel.transpose(2, 3, 1, 0)
        if layer.name == f"{PREFIX}stem":
            turned = turned.sum(axis=2, keepdims=True)
        if turned.shape != tuple(layer.kernel.shape):
            raise DataError(f"{path}: {layer.name} is {turned.shape}, expected {tuple(layer.kernel.shape)}.")
        layer.set_weights([turned])
        values = [norm[k] for k in ("weight", "bias", "running_mean", "running_var")]
        network.get_layer(f"{layer.name}_bn").set_weights(values)


def _norms(state: dict[str, NDArray[Any]]) -> list[str]:
    return [k.removesuffix("running_mean") for k in state if k.endswith("running_mean")]


def _blocks(path: Path, state: dict[str, NDArray[Any]]) -> int:
    blocks = len({k.split(".")[1] for k in state if k.startswith("_blocks.")})
    if blocks not in SCALES:
        raise DataError(f"{path}: {blocks} blocks; EfficientNet-Lite 0 has 16, Lite 2 has 21.")
    return blocks


# The format that torch.save wrote until 1.6: five pickles, then the storages one after the other.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Unpickler(pickle.Unpickler):
    """Knows tensors and ordered dictionaries and nothing else, so that no code in a file is run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid[1], pid[2]  # the type and the key of a storage


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a PyTorch state dictionary in the file format before PyTorch 1.6.

    Raises:
        DataError: no such file, or not in that format.
    """
    try:
        with path.open("rb") as file:
            if (_Unpickler(file).load(), _Unpickler(file).load()) != (_MAGIC, _PROTOCOL):
                raise DataError(f"{path}: not a PyTorch file of the format before 1.6.")
            _Unpickler(file).load()  # the machine that wrote it
            tensors = _Unpickler(file).load()
            types = {storage[1]: _TYPES[storage[0]] for storage, *_ in tensors.values()}
            storages = {}
            for key in _Unpickler(file).load():
                count = int.from_bytes(file.read(8), "little")
                storages[key] = np.frombuffer(file.read(count * types[key].itemsize), types[key])
        return {
            name: _strided(storages[storage[1]][offset:], size, stride)
            for name, (storage, offset, size, stride) in tensors.items()
        }
    except (
        OSError,
        EOFError,
        pickle.UnpicklingError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
    ) as error:
        raise DataError(f"{path}: not a file of PyTorch weights: {error}") from error


def _strided(values: NDArray[Any], size: tuple[int, ...], stride: tuple[int, ...]) -> NDArray[Any]:
    """A tensor out of its storage; strides count elements."""
    places = sum(
        (np.arange(n).reshape(-1, *[1] * (len(size) - 1 - axis)) * step)
        for axis, (n, step) in enumerate(zip(size, stride, strict=True))
    )
    return np.asarray(values[places])  # by index, which numpy checks
