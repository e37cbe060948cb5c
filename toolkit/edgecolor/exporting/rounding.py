"""Chooses how each convolution kernel is rounded to int8, so that its output changes least on real pictures.

Rounding every weight to its nearest step ignores that a kernel's inputs go together: in a MobileNet a single
3 x 3 depthwise layer can lose more than all activations. Here the steps of a kernel are chosen together, by
coordinate descent on the variance of its output error (Behdin et al., "QuantEase", 2023, arXiv:2309.01885).
What shift of the mean is left goes into the batch norm or bias behind it (Nagel et al., arXiv:1906.04721).

The kernels stay float here, on exactly the grid that the converter will find: a channel's largest weight is
kept, so that its scale stays largest / 127. Architecture and file format do not change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.network.batch_norm import absorb_mean_shift
from edgecolor_runtime.colors.spaces import F32

PICTURES = 32  # about; a layer sees 1,500 to 400,000 patches of them
STEPS = 127  # of int8 on each side of zero
SWEEPS = 6  # over a kernel's weights; later ones hardly change a step
DAMPING = 1e-3  # of the mean variance: inputs that never vary decide nothing
MAX_PATCHES = 40_000  # of a layer's input

F64 = NDArray[np.float64]


def round_kernels(network: Any, inputs: F32) -> None:
    """Rounds the kernels of a Keras network in place, from input to output.

    What is not handled here (grouped or dilated convolutions, a network that uses a layer twice) keeps its
    weights, and the converter rounds them to the nearest step.

    Args:
        network: a functional Keras model.
        inputs: float32 (n, h, w, 1), what it will see.
    """
    import keras

    original = keras.models.clone_model(network)
    original.set_weights(network.get_weights())
    every = max(1, len(inputs) // PICTURES)
    for layer, seen, wanted in _walk(network, original, inputs[::every]):
        if _is_plain(layer):
            kernel = layer.kernel.numpy()
            layer.kernel.assign(_rounded(kernel, _covariances(layer, seen), layer))
            absorb_mean_shift(network, layer, (layer(seen) - wanted).numpy().mean(axis=(0, 1, 2)))


def _walk(network: Any, original: Any, inputs: F32) -> Iterator[tuple[Any, Any, Any]]:
    """Runs both networks side by side; a layer is yielded before its turn in the first.

    Yields:
        layer, its input in `network`, its output in `original`.
    """
    import keras

    if any(len(layer._inbound_nodes) != 1 for layer in network.layers):
        return
    uses = Counter(id(t) for layer in network.layers for t in _inputs(layer))
    values: dict[int, tuple[Any, Any]] = {}
    for layer, twin in zip(network.layers, original.layers, strict=True):
        if isinstance(layer, keras.layers.InputLayer):
            values[id(layer.output)] = (keras.ops.convert_to_tensor(inputs),) * 2
            continue
        names = [id(t) for t in _inputs(layer)]
        seen, true = zip(*(values[n] for n in names), strict=True)
        wanted = _call(twin, true)
        yield layer, seen[0], wanted
        values[id(layer.output)] = (_call(layer, seen), wanted)
        for n in names:
            uses[n] -= 1
            if not uses[n]:
                del values[n]  # at full size one activation is 25 MB


def _inputs(layer: Any) -> list[Any]:
    import keras

    if isinstance(layer, keras.layers.InputLayer):
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _call(layer: Any, values: tuple[Any, ...]) -> Any:
    return layer(list(values) if len(values) > 1 else values[0], training=False)


def _is_plain(layer: Any) -> bool:
    import keras

    if type(layer) is keras.layers.DepthwiseConv2D:
        fits = layer.depth_multiplier == 1
    else:
        fits = type(layer) is keras.layers.Conv2D and layer.groups == 1
    return bool(fits and layer.data_format == "channels_last" and tuple(layer.dilation_rate) == (1, 1))


def _is_depthwise(layer: Any) -> bool:
    return hasattr(layer, "depth_multiplier")


def _covariances(layer: Any, seen: Any) -> F64:
    """How a kernel's inputs vary together: (inputs, inputs), or (channels, inputs, inputs) where depthwise.

    Of the variation only: the mean is taken back afterwards.
    """
    import keras

    patches = keras.ops.image.extract_patches(
        seen, tuple(layer.kernel_size), strides=tuple(layer.strides), padding=layer.padding
    ).numpy()
    patches = patches.reshape(-1, patches.shape[-1])
    patches = patches[:: max(1, len(patches) // MAX_PATCHES)].astype(np.float64)
    patches -= patches.mean(axis=0)
    if not _is_depthwise(layer):
        return _damped(patches.T @ patches / len(patches))
    taps = patches.reshape(len(patches), -1, seen.shape[-1]).transpose(2, 0, 1)
    return _damped(taps.transpose(0, 2, 1) @ taps / len(patches))


def _damped(covariance: F64) -> F64:
    size = covariance.shape[-1]
    mean = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None] / size
    damped: F64 = covariance + np.eye(size) * (DAMPING * mean + 1e-12)
    return damped


def _rounded(kernel: F32, covariances: F64, layer: Any) -> F32:
    # A row is one output channel: (h, w, in, out), or (h, w, channels, 1) where depthwise.
    outputs = kernel.shape[2 if _is_depthwise(layer) else 3]
    rows = kernel.reshape(-1, outputs).T
    return round_rows(rows, covariances).T.reshape(kernel.shape).astype(np.float32)


def round_rows(rows: F32, covariances: F64) -> F64:
    """Rounds each row to its int8 grid so that the variance of its output error is small.

    Args:
        rows: (m, k), one kernel a row.
        covariances: (k, k) of the inputs of all rows, or (m, k, k), positive definite.

    Returns:
        (m, k): whole multiples of largest / 127 of each row, the largest itself and zeros unchanged.
    """
    weights = rows.astype(np.float64)
    scale = np.maximum(np.abs(weights).max(axis=1, keepdims=True), 1e-30) / STEPS
    steps = np.rint(weights / scale)
    pinned = np.arange(weights.shape[1]) == np.abs(weights).argmax(axis=1)[:, None]
    pinned |= weights == 0  # a pruned weight stays pruned
    shared = covariances.ndim == 2
    for _ in range(SWEEPS):
        before = steps.copy()
        for i in range(weights.shape[1]):
            error = weights - steps * scale
            column = covariances[:, i] if shared else covariances[:, :, i]
            pull = error @ column if shared else (error * column).sum(axis=1)
            curvature = covariances[i, i] if shared else covariances[:, i, i]
            better = np.rint(steps[:, i] + pull / (curvature * scale[:, 0]))
            steps[:, i] = np.where(pinned[:, i], steps[:, i], better.clip(-STEPS, STEPS))
        if np.array_equal(steps, before):
            break
    result: F64 = steps * scale
    return result
