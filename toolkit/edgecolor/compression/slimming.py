"""Slims a trained network: ranks the channels of its layers and keeps the best of them.

Channels that meet in a sum, or pass through a depthwise convolution, belong together: one choice is made for
each such group. A channel is worth what it contributes to the variance of what reads it: its own variance
over some pictures times the squared norm of the weights that read it. That needs no gradient and no labels.
What a dropped channel contributed to the mean goes into the batch norm or bias behind the reader.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from edgecolor.network.batch_norm import take_back
from edgecolor.network.fusion import build_network, widths
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import UsageError

BATCH = 16  # pictures at a time through the wide network
STEP = 32  # alpha is a multiple of 1 / STEP: then every layer has a whole number of channels

Indices = NDArray[np.intp]
F64 = NDArray[np.float64]


def slim(network: keras.Model, alpha: float, width: int, lightness: F32) -> keras.Model:
    """A narrower network that starts from the best channels of a wide one.

    Args:
        network: a fusion network as `edgecolor train` writes it.
        alpha: a multiple of 1 / 32, at most the network's.
        width: of encoder, fusion and decoder, a multiple of 8, at most the network's.
        lightness: pictures (n, h, w, 1) on the network's scale, sides a multiple of 32, on which the
            channels are ranked.

    Returns:
        A network for pictures of 224 x 224. It computes what `network` does where no channel was dropped, or
        only channels that nothing depended on.

    Raises:
        UsageError: not a fusion network, or an alpha or width that it cannot be slimmed to.
    """
    most = widths(network)
    if alpha > most[0] or width > most[1] or (alpha * STEP) % 1 or width % 8 or alpha <= 0 or width <= 0:
        raise UsageError(
            f"alpha {alpha:g}, width {width}: expected a multiple of 1/{STEP} up to {most[0]:g} and a "
            f"multiple of 8 up to {most[1]}."
        )
    narrow = build_network(alpha, width=width)
    groups = channel_groups(network)
    kept = {
        groups[network.layers[-1].name][1]: np.arange(network.output.shape[-1]),
        0: np.arange(network.input.shape[-1]),
    }
    readers = [layer for layer in network.layers if type(layer) is layers.Conv2D]
    moments = _moments(keras.Model(network.input, [layer.input for layer in readers]), lightness)
    for group, worth in _worth(readers, [variance for _, variance in moments], groups).items():
        kept[group] = np.sort(np.argsort(-worth, kind="stable")[: _channels(narrow, groups, group)])
    for layer in network.layers:
        if layer.weights:
            narrow.get_layer(layer.name).set_weights(_sliced(layer, groups, kept))
    for layer, (mean, _) in zip(readers, moments, strict=True):
        into, out = (kept[g] for g in groups[layer.name])
        lost = mean.copy()
        lost[into] = 0
        missing = np.tensordot(ops.convert_to_numpy(layer.kernel).sum(axis=(0, 1)), lost, (0, 0))[out]
        take_back(narrow, narrow.get_layer(layer.name), -missing)
    return narrow


def channel_groups(network: keras.Model) -> dict[str, tuple[int, int]]:
    """Which channels go together: layer name -> group of its (first) input, group of its output.

    The input picture is group 0. A convolution's output begins a group; a sum joins those of its terms; every
    other layer keeps its channels.
    """
    parent = [0]

    def root(group: int) -> int:
        while parent[group] != group:
            group = parent[group]
        return group

    of: dict[int, int] = {}  # tensor -> group
    found: dict[str, tuple[int, int]] = {}
    for layer in network.layers:
        if isinstance(layer, layers.InputLayer):
            of[id(layer.output)] = 0
            continue
        read = [of[id(t)] for t in (layer.input if isinstance(layer.input, list) else [layer.input])]
        group = read[0]
        if type(layer) is layers.Conv2D:
            group = len(parent)
            parent.append(group)
        for other in read[1:]:
            parent[root(other)] = root(group)
        of[id(layer.output)] = group
        found[layer.name] = (read[0], group)
    return {name: (root(a), root(b)) for name, (a, b) in found.items()}


def _channels(narrow: keras.Model, groups: dict[str, tuple[int, int]], group: int) -> int:
    """How many channels a group has in the narrow network."""
    name = next(name for name, (_, out) in groups.items() if out == group)
    return int(narrow.get_layer(name).output.shape[-1])


def _worth(readers: list[Any], variances: list[F64], groups: dict[str, tuple[int, int]]) -> dict[int, F64]:
    """What each channel of each group but the input's is worth to the convolutions that read it."""
    worth: dict[int, Any] = {}
    for layer, variance in zip(readers, variances, strict=True):
        share = variance * np.square(ops.convert_to_numpy(layer.kernel)).sum(axis=(0, 1, 3))
        group = groups[layer.name][0]
        worth[group] = worth.get(group, 0.0) + share / max(share.sum(), 1e-30)
    worth.pop(0)
    return worth


def _moments(probe: keras.Model, lightness: F32) -> list[tuple[F64, F64]]:
    """Mean and variance of each channel of each output, over pictures and pixels."""
    sums: list[Any] = []
    for start in range(0, len(lightness), BATCH):
        outputs = [
            ops.convert_to_numpy(t).astype(np.float64) for t in probe(lightness[start : start + BATCH])
        ]
        parts = [np.stack([t.mean((1, 2)).sum(0), np.square(t).mean((1, 2)).sum(0)]) for t in outputs]
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
    means = [s / len(lightness) for s in sums]
    return [(mean, np.maximum(square - mean**2, 0.0)) for mean, square in means]


def _sliced(layer: Any, groups: dict[str, tuple[int, int]], kept: dict[int, Indices]) -> list[F32]:
    """A layer's weights, of the channels that stay."""
    into, out = (kept[g] for g in groups[layer.name])
    if type(layer) is layers.Conv2D:
        kernel, *bias = layer.get_weights()
        return [kernel[:, :, into][..., out], *(b[out] for b in bias)]
    if type(layer) is layers.DepthwiseConv2D:
        (kernel,) = layer.get_weights()
        return [kernel[:, :, out]]
    return [w[out] for w in layer.get_weights()]  # batch norm
