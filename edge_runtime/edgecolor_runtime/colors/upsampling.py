"""Upsample the network's small chroma planes to the size of the frame, and limit them to what RGB can show.

Each pixel becomes (Y, s Cb, s Cr) with the largest s in [0, 1] that keeps R, G and B inside [0, 255]. The
colored pixel then converts back to its gray. Without the limit a decoder clips a channel, which changes the
luma.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import B_PER_CB, F32, G_PER_CB, G_PER_CR, NEUTRAL, R_PER_CR, U8

CHROMA_LIMIT = 127.0  # largest chroma in either direction that a byte around NEUTRAL can hold
_EPSILON = np.float32(1e-3)  # avoids a division by 0; chroma this small cannot clip
_FLAT_LUMA = np.float32(24)  # standard deviation; lower values are texture, not edges, and reduce the slope
_FAINT_CHROMA = np.float32(4)  # standard deviation; lower values reduce the slope
_STRIP_PIXELS = 1 << 14  # processed at a time, which keeps the arrays in the cache


class ChromaUpsampler:
    """Chroma of a frame, upsampled some rows at a time. Neighboring rows do not depend on each other.

    Args:
        chroma: (Cb, Cr) centered on 0, shape (n, m, 2).
        size: height and width of the frame.
        seen: luma of the pixels of `chroma`, in [0, 255], shape (n, m); the result follows the edges of the
            luma. None: bilinear upsampling.
    """

    def __init__(self, chroma: F32, size: tuple[int, int], seen: F32 | None = None) -> None:
        h, w = size
        source = np.ascontiguousarray(np.moveaxis(chroma, -1, 0)).clip(-CHROMA_LIMIT, CHROMA_LIMIT)
        if seen is not None:
            source = np.concatenate(fit_local_lines(source, seen))
        self._guided = seen is not None
        left, right, share = _taps(source.shape[2], w)
        # np.take returns rows that are contiguous in memory; indexing with arrays does not, and is slower
        # later.
        self._wide = np.take(source, left, axis=2) * (1 - share) + np.take(source, right, axis=2) * share
        self._above, self._below, share = _taps(source.shape[1], h)
        self._share = share[:, None]
        self._rows_at_once = max(1, _STRIP_PIXELS // w)

    def exact(self, top: int, low: U8 | F32, high: U8 | F32) -> F32:
        """Return the limited chroma of some rows, centered on 0 and not rounded, shape (2, rows, w).

        Args:
            top: number of the first row.
            low: smallest luma under each pixel of these rows, in [0, 255], shape (rows, w).
            high: largest luma under each pixel, same shape. Pass `low` itself if every pixel has one luma.
        """
        at = slice(top, top + len(low))
        strip: F32 = np.take(self._wide, self._above[at], axis=1)
        strip += (np.take(self._wide, self._below[at], axis=1) - strip) * self._share[at]
        if self._guided:
            strip = _at_luma(strip, low, high)
        strip *= _room(low, high, strip[0], strip[1])
        return strip

    def rounded(self, top: int, low: U8, high: U8) -> tuple[U8, U8]:
        """Return Cb and Cr of some rows as bytes centered on 128, shape (rows, w) each; as `exact`."""
        cb, cr = np.empty(low.shape, np.uint8), np.empty(low.shape, np.uint8)
        for first in range(0, len(low), self._rows_at_once):
            at = slice(first, first + self._rows_at_once)
            strip = self.exact(top + first, low[at], low[at] if low is high else high[at])
            strip += np.float32(NEUTRAL + 0.5)  # + 0.5 rounds, because the conversion to bytes truncates
            cb[at], cr[at] = strip
        return cb, cr


def upsample_chroma(chroma: F32, low: U8, high: U8, seen: F32 | None = None) -> tuple[U8, U8]:
    """Upsample chroma, limit it, and round it to bytes.

    Args:
        chroma: (Cb, Cr) centered on 0, shape (n, m, 2).
        low: smallest luma under each pixel of the result, shape (h, w).
        high: largest luma under each pixel, same shape. Pass `low` itself if every pixel has one luma.
        seen: guide of the upsampling, as for `ChromaUpsampler`.

    Returns:
        Cb and Cr centered on 128, shape (h, w) each.
    """
    h, w = low.shape
    return ChromaUpsampler(chroma, (h, w), seen).rounded(0, low, high)


def fit_local_lines(chroma: F32, luma: F32) -> tuple[F32, F32]:
    """Return how chroma depends on luma around each pixel, as lines: chroma = offset + slope Y.

    The lines are upsampled and evaluated at the luma Y of the large frame. The resulting chroma follows the
    edges of the luma: it is bilinear chroma plus the luma's detail times a local gain, as in pansharpening.
    The gain is the window regression of the fast guided filter (He and Sun 2015, arXiv:1505.00996), weighted
    by the squared correlation of luma and chroma. The weight keeps texture without color out of the chroma.

    Args:
        chroma: Cb and Cr centered on 0, shape (2, n, m).
        luma: luma of the same pixels, in [0, 255], shape (n, m).

    Returns:
        Offset and slope, shape (2, n, m) each. The line of a pixel passes through its own chroma and luma.
    """
    products = (luma * luma)[None], chroma * luma, (chroma * chroma).sum(axis=0, keepdims=True)
    mean = _window(np.concatenate([luma[None], chroma, *products]))
    mean_luma, mean_chroma = mean[0], mean[1:3]
    variance = mean[3] - mean_luma * mean_luma
    covariance = mean[4:6] - mean_chroma * mean_luma
    spread = mean[6] - (mean_chroma * mean_chroma).sum(axis=0)
    explained = (covariance * covariance).sum(axis=0) / ((variance + _EPSILON) * (spread + _FAINT_CHROMA**2))
    slope: F32 = covariance * (explained.clip(0, 1) / (variance + _FLAT_LUMA**2))
    return chroma - slope * luma, slope


def _window(planes: F32) -> F32:
    """Return the weighted mean over 3 x 3 pixels, weights (1, 4, 1) / 6 per axis; shape (k, n, m)."""
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + padded[:, 2:]
    rows += 4 * padded[:, 1:-1]
    mean: F32 = rows[:, :, :-2] + rows[:, :, 2:]
    mean += 4 * rows[:, :, 1:-1]
    mean /= 36
    return mean


def _at_luma(strip: F32, low: U8 | F32, high: U8 | F32) -> F32:
    """Evaluate lines, shape (4, rows, w), at the mean of low and high: chroma, shape (2, rows, w)."""
    luma = low.astype(np.float32)
    if low is not high:
        luma += high
        luma *= np.float32(0.5)
    chroma, slope = strip[:2], strip[2:]
    slope *= luma
    chroma += slope
    return chroma.clip(-CHROMA_LIMIT, CHROMA_LIMIT, out=chroma)


def _taps(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], F32]:
    """Return two source pixels for each target pixel along one axis, and the weight of the second."""
    center = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    first = center.astype(np.intp)
    return first, np.minimum(first + 1, source - 1), (center - first).astype(np.float32)


def _room(low: U8 | F32, high: U8 | F32, cb: F32, cr: F32) -> F32:
    """Return the largest s in [0, 1] so that chroma s (cb, cr) clips no channel at luma low or high."""
    r, b = cr * np.float32(R_PER_CR), cb * np.float32(B_PER_CB)
    g = cb * np.float32(G_PER_CB)
    g += cr * np.float32(G_PER_CR)
    up = np.maximum(r, b)
    np.maximum(up, g, out=up)
    up += _EPSILON
    down = np.minimum(r, b)
    np.minimum(down, g, out=down)
    down -= _EPSILON
    np.divide(255 - high, up, out=up)
    np.divide(low, down, out=down)
    np.negative(down, out=down)
    np.minimum(up, down, out=up)
    room: F32 = np.minimum(up, np.ones(up.shape[1], np.float32), out=up)  # the scalar 1 is four times slower
    return room


def halve_luma(luma: U8) -> tuple[U8, U8]:
    """Return the smallest and largest luma of each 2 x 2 block, shape (ceil(h / 2), ceil(w / 2)) each."""
    h, w = luma.shape
    if h % 2 or w % 2:
        luma = np.pad(luma, ((0, h % 2), (0, w % 2)), mode="edge")
    low, high = np.minimum(luma[0::2], luma[1::2]), np.maximum(luma[0::2], luma[1::2])
    return np.minimum(low[:, 0::2], low[:, 1::2]), np.maximum(high[:, 0::2], high[:, 1::2])


def double_plane(plane: U8, h: int, w: int) -> U8:
    """Repeat every pixel of a half-size plane twice along both axes, cut to shape (h, w)."""
    pairs = (plane.astype(np.uint16) * 257).view(np.uint8)  # one 16-bit store writes two pixels
    return np.repeat(pairs, 2, axis=0)[:h, :w]
