"""Tell a picture in true color from one that is gray, toned, or under a colored light.

The chroma of a toned picture (sepia, cyanotype, split toning) depends on its brightness alone. A color cast
is the same everywhere, or changes slowly across the picture as yellowed paper does. Both are fitted and
removed. What is left in a picture without colors is noise: of the scanner, of the sensor, of JPEG. Noise of
one place says nothing about the next place, while a colored object covers several places. The measure is
therefore the covariance of the remaining chroma between neighbors. `scripts/measure_true_color.py` measures
how often it is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.spaces import B_PER_CB, F32, G_PER_CB, G_PER_CR, NEUTRAL, R_PER_CR, U8

SAMPLE_SIDE = 128
"""Width and height of the sample of a picture that is examined, in pixels."""

TRUE_COLOR = 0.28
"""Covariance of chroma, as a standard deviation in 8-bit levels, from which a picture is in true color.

Chosen on photographs of the training set; the public set has not been used.
"""

_CELLS = 16  # places per axis; the noise of a place's 64 pixels is averaged
_CELL_SIDE = SAMPLE_SIDE // _CELLS
_LEVELS = 256
_BINS = 64  # of levels in a place. BLAS starts no threads for products of this size, which would cost more
_BIN_LEVELS = _LEVELS // _BINS
_LEVEL_NODES = 12  # of the piecewise linear function of level that is fitted to the places
_CURVE_SIGMA = 1.5  # levels; smooths the curve of chroma
_FITS = 3  # of the robust regression; places that do not fit count less in the next one
_RIDGE = np.float32(1e-3)  # keeps the regression solvable if the picture lacks a level
_MIN_RESIDUAL = np.float32(0.02)  # levels; limits the weight of a place that fits
_TRIMMED_SHARE = 0.05  # of the places, those with the most chroma: a speck or a stain is no color picture


def sample_image(rgb: Image.Image) -> tuple[U8, U8, U8]:
    """Return luma, Cb and Cr of some pixels of a picture of mode RGB, shape (SAMPLE_SIDE, SAMPLE_SIDE) each.

    The pixels are not averaged: the mean of toned pixels is not always a tone of the same curve.
    """
    sample = rgb.resize((SAMPLE_SIDE, SAMPLE_SIDE), Image.Resampling.NEAREST).convert("YCbCr")
    y, cb, cr = (np.asarray(channel) for channel in sample.split())
    return y, cb, cr


def sample_plane(plane: U8) -> U8:
    """Return some pixels of a plane of any shape, shape (SAMPLE_SIDE, SAMPLE_SIDE)."""
    rows, columns = (_positions(length) for length in plane.shape)
    return plane[rows[:, None], columns]


def is_true_color(y: U8, cb: U8, cr: U8) -> bool:
    """Return whether a picture shows colors: not gray, and neither toned nor under a colored light.

    Args:
        y: luma of a sample of the picture, shape (SAMPLE_SIDE, SAMPLE_SIDE).
        cb: its Cb, centered on 128.
        cr: its Cr, centered on 128.
    """
    return measure_colors(y, cb, cr) >= TRUE_COLOR


def measure_colors(y: U8, cb: U8, cr: U8) -> float:
    """Return how much chroma neighbors share that neither brightness nor place explains, in 8-bit levels.

    The arguments are those of `is_true_color`.
    """
    if cb.min() == cb.max() and cr.min() == cr.max():
        return 0.0  # gray, or one cast everywhere
    chroma = np.stack([cb, cr], axis=-1).astype(np.float32) - np.float32(NEUTRAL)
    level = _mean_of_rgb(y, chroma)
    toned = _tone_curve(level, chroma)[level]
    rest = _remove_light(_cell_means(chroma - toned), level)
    return _covariance_of_neighbors(rest.reshape(_CELLS, _CELLS, 2))


def _mean_of_rgb(y: U8, chroma: F32) -> U8:
    """Return the mean of R, G and B of each pixel.

    In the highlights of sepia, R and G are clipped and only B varies. Luma hardly shows the difference.
    """
    mean = y + chroma[..., 0] * np.float32((B_PER_CB + G_PER_CB) / 3)
    mean += chroma[..., 1] * np.float32((R_PER_CR + G_PER_CR) / 3)
    level: U8 = (mean + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    return level


def _tone_curve(level: U8, chroma: F32) -> F32:
    """Return the mean chroma at each level, smoothed, shape (256, 2)."""
    levels = level.ravel()

    def smooth(sums: NDArray[Any]) -> NDArray[np.float64]:
        return np.convolve(sums, _CURVE_KERNEL, mode="same")

    counts = smooth(np.bincount(levels, minlength=_LEVELS).astype(float)).clip(1e-6)
    sums = [smooth(np.bincount(levels, chroma[..., i].ravel(), _LEVELS)) for i in (0, 1)]
    curve: F32 = (np.stack(sums, axis=-1) / counts[:, None]).astype(np.float32)
    return curve


def _remove_light(rest: F32, level: U8) -> F32:
    """Subtract what a smooth function of level and place explains, by a robust regression.

    JPEG averages chroma over blocks in which luma varies, which flattens the curve of chroma. The regression
    on places, which are larger than the blocks, corrects it.

    Args:
        rest: chroma of each place, shape (CELLS^2, 2).
        level: brightness of each pixel of the sample.
    """
    shares = np.bincount((_CELL_OFFSETS + level // _BIN_LEVELS).ravel(), minlength=_CELLS**2 * _BINS)
    by_level = shares.reshape(-1, _BINS).astype(np.float32) @ _LEVEL_HATS
    mean = by_level @ np.linspace(-0.5, 0.5, _LEVEL_NODES, dtype=np.float32)
    terms = np.concatenate([by_level, _PLACE_TERMS, _PLACE_TERMS * mean[:, None]], axis=1)
    ridge = _RIDGE * np.eye(terms.shape[1], dtype=np.float32)
    weights = np.ones((len(terms), 1), np.float32)
    residual: F32 = rest
    for _ in range(_FITS):
        weighted = (terms * weights).T
        residual = rest - terms @ np.linalg.solve(weighted @ terms + ridge, weighted @ rest)
        size = np.sqrt((residual * residual).sum(axis=1, keepdims=True))
        weights = 1 / np.maximum(size, np.median(size) + _MIN_RESIDUAL)
    return residual


def _covariance_of_neighbors(rest: F32) -> float:
    """Return the root of the mean covariance of neighbors, shape (CELLS, CELLS, 2); 0 if it is negative."""
    energy = (rest * rest).sum(axis=-1)
    rest = rest * (energy <= np.quantile(energy, 1 - _TRIMMED_SHARE))[..., None]
    below, beside = rest[1:] * rest[:-1], rest[:, 1:] * rest[:, :-1]
    mean = (below.sum() + beside.sum()) / (below[..., 0].size + beside[..., 0].size)
    return float(np.sqrt(max(0.0, float(mean))))


def _cell_means(plane: F32) -> F32:
    """Return the mean of each place: (SAMPLE_SIDE, SAMPLE_SIDE, k) to (CELLS^2, k)."""
    starts = np.arange(0, SAMPLE_SIDE, _CELL_SIDE)
    sums = np.add.reduceat(np.add.reduceat(plane, starts, axis=0), starts, axis=1)
    means: F32 = np.asarray(sums / _CELL_SIDE**2, np.float32).reshape(_CELLS**2, -1)
    return means


def _positions(length: int) -> NDArray[np.intp]:
    return ((np.arange(SAMPLE_SIDE) + 0.5) * (length / SAMPLE_SIDE)).astype(np.intp)


def _level_hats() -> F32:
    """Return the weights of the nodes of a piecewise linear function at each bin, for means of places."""
    level = np.arange(_BINS)[:, None] * _BIN_LEVELS + (_BIN_LEVELS - 1) / 2
    at = level * ((_LEVEL_NODES - 1) / (_LEVELS - 1))
    hats = np.maximum(0, 1 - np.abs(at - np.arange(_LEVEL_NODES)))
    return np.asarray(hats / _CELL_SIDE**2, np.float32)


def _place_terms() -> F32:
    """Return x, y, x^2, y^2 and x y of each place, which are in [-0.5, 0.5], shape (CELLS^2, 5)."""
    at = (np.arange(_CELLS, dtype=np.float32) + 0.5) / _CELLS - 0.5
    x, y = np.tile(at, _CELLS), np.repeat(at, _CELLS)
    return np.stack([x, y, x * x, y * y, x * y], axis=-1)


def _cell_offsets() -> NDArray[np.intp]:
    """Return the number of the place of each pixel of the sample, times the number of bins."""
    cell = np.arange(SAMPLE_SIDE) // _CELL_SIDE
    return _BINS * (cell[:, None] * _CELLS + cell)


_CURVE_KERNEL = np.exp(-0.5 * (np.arange(-6, 7) / _CURVE_SIGMA) ** 2)
_LEVEL_HATS = _level_hats()
_PLACE_TERMS = _place_terms()
_CELL_OFFSETS = _cell_offsets()
