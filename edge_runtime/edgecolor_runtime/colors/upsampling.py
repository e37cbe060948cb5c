"""Chroma planes: the network's small ones to the frame's size, limited where RGB would clip.

A pixel (Y, s Cb, s Cr) with the largest s in [0, 1] that keeps R, G and B inside [0, 255] turns back into the
gray that it came from. Without the limit the decoder clips a channel, and the luma is lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import B_PER_CB, F32, G_PER_CB, G_PER_CR, R_PER_CR, U8

NEUTRAL = 128  # the byte of a chroma of 0
CHROMA_LIMIT = 127.0  # the largest chroma, either side, that a byte around NEUTRAL holds
_EPSILON = np.float32(1e-3)  # chroma too small to need room; nothing is divided by 0
_FLAT = np.float32(24)  # deviation of luma below which the slope is held back: texture, not edges
_FAINT = np.float32(4)  # the same of chroma
_STRIP = 1 << 14  # pixels worked on in one go: the arrays stay in the cache, and small for a large picture


def planes(chroma: F32, low: U8, high: U8, seen: F32 | None = None) -> tuple[U8, U8]:
    """Upsample chroma, limit it, and round it to bytes.

    Args:
        chroma: (Cb, Cr) centered on 0, any small shape (n, m, 2).
        low: The smallest luma under each pixel of the result, shape (h, w).
        high: The largest luma there, same shape; the same array where every pixel has one luma.
        seen: Luma of the pixels of `chroma`, in [0, 255], shape (n, m), to keep to the edges of the luma.
            None: bilinear.

    Returns:
        Cb and Cr centered on 128, shape (h, w) each.
    """
    h, w = low.shape
    source = np.ascontiguousarray(np.moveaxis(chroma, -1, 0)).clip(-CHROMA_LIMIT, CHROMA_LIMIT)
    if seen is not None:
        source = np.concatenate(local_lines(source, seen))
    left, right, share = _taps(source.shape[2], w)
    # np.take, since what indexing with arrays returns is not laid out row by row, and slow to work on.
    wide = np.take(source, left, axis=2) * (1 - share) + np.take(source, right, axis=2) * share
    above, below, share = _taps(source.shape[1], h)
    share = share[:, None]
    cb, cr = np.empty((h, w), np.uint8), np.empty((h, w), np.uint8)
    rows = max(1, _STRIP // w)
    for top in range(0, h, rows):
        at = slice(top, top + rows)
        strip: F32 = np.take(wide, above[at], axis=1)
        strip += (np.take(wide, below[at], axis=1) - strip) * share[at]
        if seen is not None:
            strip = _at_luma(strip, low[at], high[at])
        strip *= _room(low[at], high[at], strip[0], strip[1])
        strip += np.float32(NEUTRAL + 0.5)  # rounds, because the conversion to bytes truncates
        cb[at], cr[at] = strip
    return cb, cr


def local_lines(chroma: F32, luma: F32) -> tuple[F32, F32]:
    """How chroma follows luma around each pixel: the line offset + slope Y.

    Upsampled, with the luma Y of the large frame, the lines give chroma that keeps to the edges of the luma.

    That is bilinear chroma plus the detail of the luma times a local gain, as in pansharpening; the gain is
    the window regression of the fast guided filter (He and Sun 2015, arXiv:1505.00996). It counts by how
    well luma explains chroma (the squared correlation), so that texture without color leaves chroma alone.

    Args:
        chroma: Cb and Cr centered on 0, shape (2, n, m).
        luma: The luma of the same pixels, in [0, 255], shape (n, m).

    Returns:
        Offset and slope, shape (2, n, m) each. The line of a pixel goes through its own chroma and luma.
    """
    products = (luma * luma)[None], chroma * luma, (chroma * chroma).sum(axis=0, keepdims=True)
    mean = _window(np.concatenate([luma[None], chroma, *products]))
    mean_luma, mean_chroma = mean[0], mean[1:3]
    variance = mean[3] - mean_luma * mean_luma
    covariance = mean[4:6] - mean_chroma * mean_luma
    spread = mean[6] - (mean_chroma * mean_chroma).sum(axis=0)
    explained = (covariance * covariance).sum(axis=0) / ((variance + _EPSILON) * (spread + _FAINT**2))
    slope: F32 = covariance * (explained.clip(0, 1) / (variance + _FLAT**2))
    return chroma - slope * luma, slope


def _window(planes: F32) -> F32:
    """Weighted mean over 3 x 3 pixels, weights (1, 4, 1) / 6 along each side; shape (k, n, m)."""
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + padded[:, 2:]
    rows += 4 * padded[:, 1:-1]
    mean: F32 = rows[:, :, :-2] + rows[:, :, 2:]
    mean += 4 * rows[:, :, 1:-1]
    mean /= 36
    return mean


def _at_luma(strip: F32, low: U8, high: U8) -> F32:
    """Offsets and slopes, shape (4, rows, w), to chroma (2, rows, w), at the middle of low and high."""
    luma = low.astype(np.float32)
    if low is not high:
        luma += high
        luma *= np.float32(0.5)
    chroma, slope = strip[:2], strip[2:]
    slope *= luma
    chroma += slope
    return chroma.clip(-CHROMA_LIMIT, CHROMA_LIMIT, out=chroma)


def _taps(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], F32]:
    """Two source pixels for each target pixel along one side, and the share of the second."""
    center = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    first = center.astype(np.intp)
    return first, np.minimum(first + 1, source - 1), (center - first).astype(np.float32)


def _room(low: U8, high: U8, cb: F32, cr: F32) -> F32:
    """The largest s in [0, 1] that keeps Y + s * (what chroma adds to R, G, B) in [0, 255] for low, high."""
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
    room: F32 = np.minimum(up, np.ones(up.shape[1], np.float32), out=up)  # a plain 1 is four times slower
    return room


def halves(luma: U8) -> tuple[U8, U8]:
    """Smallest and largest luma of each 2 x 2 block, shape (ceil(h / 2), ceil(w / 2)) each."""
    h, w = luma.shape
    if h % 2 or w % 2:
        luma = np.pad(luma, ((0, h % 2), (0, w % 2)), mode="edge")
    low, high = np.minimum(luma[0::2], luma[1::2]), np.maximum(luma[0::2], luma[1::2])
    return np.minimum(low[:, 0::2], low[:, 1::2]), np.maximum(high[:, 0::2], high[:, 1::2])


def double(plane: U8, h: int, w: int) -> U8:
    """Repeat every pixel of a half-size plane twice along both sides, cut to shape (h, w)."""
    pairs = (plane.astype(np.uint16) * 257).view(np.uint8)  # one 16-bit store writes both
    return np.repeat(pairs, 2, axis=0)[:h, :w]
