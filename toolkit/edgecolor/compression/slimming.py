"""Slim a trained network: rank the channels of its layers and keep the best ones.

Channels that meet in a sum, or that pass through a depthwise convolution, form a group; one choice is made
for each group. The score of a channel is its share of the variance of the layers that read it: its own
variance over some pictures times the squared norm of the weights that read it. The score needs no gradient
and no labels. What a removed channel contributed to the mean goes into the batch normalization or bias behind
its reader.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from edgecolor.network.batch_norm import absorb_mean_shift
from edgecolor.network.fusion import build_network, widths
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import UsageError

RANKING_BATCH = 16  # pictures per inference of the wide network
ALPHA_STEPS = 32  # alpha is a multiple of 1 / ALPHA_STEPS, which gives every layer whole channels
WIDTH_STEP = 8

Indices = NDArray[np.intp]
F64 = NDArray[np.float64]


def slim(network: keras.Model, alpha: float, width: int, lightness: F32) -> keras.Model:
    """Return a narrower network with the best channels of a wide one.

    Args:
        network: a fusion network as `edgecolor train` writes it.
        alpha: a multiple of 1 / 32, at most the network's.
        width: channels of encoder, fusion and decoder at stride 4, a multiple of 8, at most the network's.
        lightness: pictures (n, h, w, 1) on the network's scale, on which the channels are ranked. Their sides
            are multiples of 32.

    Returns:
        A network for pictures of 224 x 224. It computes the same as `network` if no channel was removed, or
        only channels that do not affect the output.

    Raises:
        UsageError: `network` is not a fusion network, or alpha or width is not possible.
    """
    widest = widths(network)
    if (
        not (0 < alpha <= widest[0] and 0 < width <= widest[1])
        or (alpha * ALPHA_STEPS) % 1
        or width % WIDTH_STEP
    ):
        raise UsageError(
            f"alpha {alpha:g}, width {width}: expected a multiple of 1/{ALPHA_STEPS} up to {widest[0]:g} "
            f"and a multiple of {WIDTH_STEP} up to {widest[1]}."
        )
    narrow = build_network(alpha, width=width)
    groups = channel_groups(network)
    kept = {
        groups[network.layers[-1].name][1]: np.arange(network.output.shape[-1]),
        0: np.arange(network.input.shape[-1]),
    }
    readers = [layer for layer in network.layers if type(layer) is layers.Conv2D]
    moments = _moments(keras.Model(network.input, [layer.input for layer in readers]), lightness)
    for group, scores in _score_channels(readers, [variance for _, variance in moments], groups).items():
        kept[group] = np.sort(np.argsort(-scores, kind="stable")[: _count_channels(narrow, groups, group)])
    for layer in network.layers:
        if layer.weights:
            narrow.get_layer(layer.name).set_weights(_sliced(layer, groups, kept))
    for layer, (mean, _) in zip(readers, moments, strict=True):
        into, out = (kept[g] for g in groups[layer.name])
        lost = mean.copy()
        lost[into] = 0
        missing = np.tensordot(ops.convert_to_numpy(layer.kernel).sum(axis=(0, 1)), lost, (0, 0))[out]
        absorb_mean_shift(narrow, narrow.get_layer(layer.name), -missing)
    return narrow


def channel_groups(network: keras.Model) -> dict[str, tuple[int, int]]:
    """Return which channels belong together: layer name -> group of its (first) input, group of its output.

    The input picture is group 0. The output of a convolution begins a group. A sum joins the groups of its
    terms. Every other layer keeps its channels.
    """
    parent = [0]

    def root(group: int) -> int:
        while parent[group] != group:
            group = parent[group]
        return group

    group_of: dict[int, int] = {}  # id of a tensor -> group
    groups: dict[str, tuple[int, int]] = {}
    for layer in network.layers:
        if isinstance(layer, layers.InputLayer):
            group_of[id(layer.output)] = 0
            continue
        inputs = [group_of[id(t)] for t in (layer.input if isinstance(layer.input, list) else [layer.input])]
        group = inputs[0]
        if type(layer) is layers.Conv2D:
            group = len(parent)
            parent.append(group)
        for other in inputs[1:]:
            parent[root(other)] = root(group)
        group_of[id(layer.output)] = group
        groups[layer.name] = (inputs[0], group)
    return {name: (root(a), root(b)) for name, (a, b) in groups.items()}


def _count_channels(narrow: keras.Model, groups: dict[str, tuple[int, int]], group: int) -> int:
    """Return the number of channels of a group in the narrow network."""
    name = next(name for name, (_, out) in groups.items() if out == group)
    return int(narrow.get_layer(name).output.shape[-1])


def _score_channels(
    readers: list[Any], variances: list[F64], groups: dict[str, tuple[int, int]]
) -> dict[int, F64]:
    """Return the score of each channel of each group except the input picture."""
    scores: dict[int, Any] = {}
    for layer, variance in zip(readers, variances, strict=True):
        share = variance * np.square(ops.convert_to_numpy(layer.kernel)).sum(axis=(0, 1, 3))
        group = groups[layer.name][0]
        scores[group] = scores.get(group, 0.0) + share / max(share.sum(), 1e-30)
    scores.pop(0)
    return scores


def _moments(probe: keras.Model, lightness: F32) -> list[tuple[F64, F64]]:
    """Return mean and variance of each channel of each output, over pictures and pixels."""
    sums: list[Any] = []
    for start in range(0, len(lightness), RANKING_BATCH):
        chunk = lightness[start : start + RANKING_BATCH]
        outputs = [ops.convert_to_numpy(t).astype(np.float64) for t in probe(chunk)]
        parts = [np.stack([t.mean((1, 2)).sum(0), np.square(t).mean((1, 2)).sum(0)]) for t in outputs]
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
    means = [s / len(lightness) for s in sums]
    return [(mean, np.maximum(square - mean**2, 0.0)) for mean, square in means]


def _sliced(layer: Any, groups: dict[str, tuple[int, int]], kept: dict[int, Indices]) -> list[F32]:
    """Return a layer's weights for the channels that are kept."""
    into, out = (kept[g] for g in groups[layer.name])
    if type(layer) is layers.Conv2D:
        kernel, *bias = layer.get_weights()
        return [kernel[:, :, into][..., out], *(b[out] for b in bias)]
    if type(layer) is layers.DepthwiseConv2D:
        (kernel,) = layer.get_weights()
        return [kernel[:, :, out]]
    return [w[out] for w in layer.get_weights()]  # batch norm
