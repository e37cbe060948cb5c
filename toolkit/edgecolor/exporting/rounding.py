"""Round each convolution kernel to int8 so that its output changes least on real pictures.

Rounding every weight to its nearest step ignores that the inputs of a kernel are correlated: in a MobileNet,
a single 3 x 3 depthwise layer can lose more than all activations. Here the steps of a kernel are chosen
jointly, by coordinate descent on the variance of its output error (Behdin et al., "QuantEase", 2023,
arXiv:2309.01885). The shift of the mean that is left goes into the batch norm or bias that follows (Nagel et
al., arXiv:1906.04721).

The kernels stay float here, on exactly the grid that the converter will choose: the largest weight of a
channel is kept, so that its scale stays largest / 127. Architecture and file format do not change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.network.batch_norm import absorb_mean_shift
from edgecolor_runtime.colors.spaces import F32

MAX_PICTURES = 32  # approximately; they give a layer 1,500 to 400,000 patches
STEPS = 127  # of int8 on each side of zero
SWEEPS = 6  # over the weights of a kernel; later sweeps hardly change a step
DAMPING = 1e-3  # share of the mean variance; inputs that never vary have no influence
MAX_PATCHES = 40_000  # of a layer's input

F64 = NDArray[np.float64]


def round_kernels(network: Any, inputs: F32) -> None:
    """Round the kernels of a Keras network in place, from input to output.

    Grouped and dilated convolutions keep their weights, and so does a network that uses a layer twice. The
    converter rounds these weights to the nearest step.

    Args:
        network: a functional Keras model.
        inputs: float32 (n, h, w, 1), inputs as the network will get them.
    """
    import keras

    original = keras.models.clone_model(network)
    original.set_weights(network.get_weights())
    every = max(1, len(inputs) // MAX_PICTURES)
    for layer, layer_input, expected in _walk(network, original, inputs[::every]):
        if _is_plain(layer):
            kernel = layer.kernel.numpy()
            layer.kernel.assign(_rounded(kernel, _covariances(layer, layer_input), layer))
            absorb_mean_shift(network, layer, (layer(layer_input) - expected).numpy().mean(axis=(0, 1, 2)))


def _walk(network: Any, original: Any, inputs: F32) -> Iterator[tuple[Any, Any, Any]]:
    """Run both networks side by side; yield a layer before it runs in `network`.

    Yields:
        The layer, its input in `network`, its output in `original`.
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
        inputs_here, original_inputs = zip(*(values[n] for n in names), strict=True)
        expected = _call(twin, original_inputs)
        yield layer, inputs_here[0], expected
        values[id(layer.output)] = (_call(layer, inputs_here), expected)
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


def _covariances(layer: Any, layer_input: Any) -> F64:
    """Return the covariances of a kernel's inputs; the batch norm or bias corrects the mean.

    Returns:
        (inputs, inputs), or (channels, inputs, inputs) for a depthwise layer.
    """
    import keras

    patches = keras.ops.image.extract_patches(
        layer_input, tuple(layer.kernel_size), strides=tuple(layer.strides), padding=layer.padding
    ).numpy()
    patches = patches.reshape(-1, patches.shape[-1])
    patches = patches[:: max(1, len(patches) // MAX_PATCHES)].astype(np.float64)
    patches -= patches.mean(axis=0)
    if not _is_depthwise(layer):
        return _damped(patches.T @ patches / len(patches))
    taps = patches.reshape(len(patches), -1, layer_input.shape[-1]).transpose(2, 0, 1)
    return _damped(taps.transpose(0, 2, 1) @ taps / len(patches))


def _damped(covariance: F64) -> F64:
    size = covariance.shape[-1]
    mean = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None] / size
    damped: F64 = covariance + np.eye(size) * (DAMPING * mean + 1e-12)
    return damped


def _rounded(kernel: F32, covariances: F64, layer: Any) -> F32:
    # A row is one output channel of (h, w, in, out), or of (h, w, channels, 1) for a depthwise layer.
    outputs = kernel.shape[2 if _is_depthwise(layer) else 3]
    rows = kernel.reshape(-1, outputs).T
    return round_rows(rows, covariances).T.reshape(kernel.shape).astype(np.float32)


def round_rows(rows: F32, covariances: F64) -> F64:
    """Round each row to its int8 grid so that the variance of its output error is small.

    Args:
        rows: (m, k), one kernel per row.
        covariances: of the inputs, (k, k) for all rows or (m, k, k) for each row; positive definite.

    Returns:
        (m, k): whole multiples of largest / 127 of each row; the largest value and zeros are unchanged.
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
