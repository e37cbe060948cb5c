"""Motion between two frames: dense optical flow of the luma, and pictures moved along it.

The flow is that of Lucas and Kanade (1981) on a pyramid of three levels, solved for all pixels at once with
numpy. It is made for colors at a quarter of the network's size: errors below a pixel there are harmless.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.inference.preprocess import block_mean

_LEVELS = 3  # levels of the pyramid, each half the size of the one below it
_ITERATIONS = 3  # steps per level
_RADIUS = 3  # a pixel moves like its window of 7 x 7 pixels
_STEP = np.float32(1)  # longest step in pixels: the equations hold near the solution only
_FLATNESS = np.float32(20)  # squared gradient below which a window is too flat to show motion, levels^2


def estimate_flow(before: F32, now: F32) -> F32:
    """Return where each pixel of a frame was in the frame before it.

    Args:
        before: luma of the frame before, in [0, 255], shape (n, n); n is a multiple of 4.
        now: luma of the frame, same shape.

    Returns:
        Displacement in pixels along rows and columns, shape (2, n, n): the pixel (y, x) of the frame was at
        (y, x) + flow[:, y, x].
    """
    pyramid = [(before, now)]
    for _ in range(_LEVELS - 1):
        pyramid.append((block_mean(pyramid[-1][0], 2), block_mean(pyramid[-1][1], 2)))
    flow = np.zeros((2, *pyramid[-1][0].shape), np.float32)
    for level_before, level_now in reversed(pyramid):
        if flow.shape[1:] != level_now.shape:
            flow = 2 * np.repeat(np.repeat(flow, 2, axis=1), 2, axis=2)
        flow = _refine(level_before, level_now, flow)
    return flow


def move(planes: F32, flow: F32) -> F32:
    """Return planes of the frame before, moved to where the frame shows them.

    Args:
        planes: values of the frame before, shape (k, n, n).
        flow: result of `estimate_flow`, shape (2, n, n).

    Returns:
        Bilinear samples, shape (k, n, n). Where the flow points out of the frame, its border is repeated.
    """
    count, height, width = planes.shape
    y, x = _grid(height, width) + flow
    np.clip(y, 0, height - 1, out=y)
    np.clip(x, 0, width - 1, out=x)
    row, column = np.minimum(y.astype(np.intp), height - 2), np.minimum(x.astype(np.intp), width - 2)
    y -= row
    x -= column
    at = row * width + column
    values = planes.reshape(count, -1)
    upper: F32 = values.take(at, axis=1)
    lower: F32 = values.take(at + width, axis=1)
    upper += x * (values.take(at + 1, axis=1) - upper)
    lower += x * (values.take(at + width + 1, axis=1) - lower)
    lower -= upper
    lower *= y
    upper += lower
    return upper


def leaves_frame(flow: F32) -> NDArray[np.bool_]:
    """Return which pixels were outside the frame before, shape (n, n)."""
    _, height, width = flow.shape
    y, x = _grid(height, width) + flow
    outside: NDArray[np.bool_] = (y < 0) | (y > height - 1) | (x < 0) | (x > width - 1)
    return outside


def window_mean(planes: F32, radius: int) -> F32:
    """Return the mean of each window of 2 radius + 1 pixels, edges repeated; shape (k, n, m) as given."""
    size = 2 * radius + 1
    padded = np.pad(planes, ((0, 0), (radius + 1, radius), (radius + 1, radius)), mode="edge")
    rows = np.cumsum(padded, axis=1, dtype=np.float32)
    rows = rows[:, size:] - rows[:, :-size]
    sums = np.cumsum(rows, axis=2, dtype=np.float32)
    mean: F32 = (sums[:, :, size:] - sums[:, :, :-size]) * np.float32(1 / size**2)
    return mean


def _refine(before: F32, now: F32, flow: F32) -> F32:
    """Return a better flow between two frames, by steps of Lucas and Kanade's equations."""
    slope_y, slope_x = np.gradient(now)
    products = np.stack([slope_y * slope_y, slope_y * slope_x, slope_x * slope_x])
    yy, yx, xx = window_mean(products, _RADIUS)
    yy += _FLATNESS
    xx += _FLATNESS
    scale = 1 / (yy * xx - yx * yx)
    for _ in range(_ITERATIONS):
        difference = move(before[None], flow)[0] - now
        along_y, along_x = window_mean(np.stack([slope_y * difference, slope_x * difference]), _RADIUS)
        flow[0] -= ((xx * along_y - yx * along_x) * scale).clip(-_STEP, _STEP)
        flow[1] -= ((yy * along_x - yx * along_y) * scale).clip(-_STEP, _STEP)
    return window_mean(flow, 1)


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> F32:
    """Return row and column of each pixel, shape (2, height, width)."""
    return np.mgrid[:height, :width].astype(np.float32)
