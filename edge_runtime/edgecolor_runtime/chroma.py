"""Chroma planes: the network's small ones to the frame's size, limited where RGB would clip.

A pixel (Y, s Cb, s Cr) with the largest s in [0, 1] that keeps R, G and B inside [0, 255] turns back into the
gray that it came from. Without the limit the decoder clips a channel, and the luma is lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.color import B_PER_CB, F32, G_PER_CB, G_PER_CR, R_PER_CR, U8

NEUTRAL = 128  # the byte of a chroma of 0
CHROMA_LIMIT = 127.0  # the largest chroma, either side, that a byte around NEUTRAL holds
_EPSILON = np.float32(1e-3)  # chroma too small to need room; nothing is divided by 0
_STRIP = 1 << 16  # pixels worked on in one go: the arrays stay in the cache, and small for a large picture


def planes(chroma: F32, low: U8, high: U8) -> tuple[U8, U8]:
    """Upsample chroma (bilinear), limit it, and round it to bytes.

    Args:
        chroma: (Cb, Cr) centred on 0, any small shape (n, m, 2).
        low: The smallest luma under each pixel of the result, shape (h, w).
        high: The largest luma there, same shape; the same array where every pixel has one luma.

    Returns:
        Cb and Cr centred on 128, shape (h, w) each.
    """
    h, w = low.shape
    source = np.ascontiguousarray(np.moveaxis(chroma, -1, 0)).clip(-CHROMA_LIMIT, CHROMA_LIMIT)
    left, right, share = _taps(source.shape[2], w)
    # np.take, since what indexing with arrays returns is not laid out row by row, and slow to work on.
    wide = np.take(source, left, axis=2) * (1 - share) + np.take(source, right, axis=2) * share
    above, below, share = _taps(source.shape[1], h)
    share = share[:, None]
    cb, cr = np.empty((h, w), np.uint8), np.empty((h, w), np.uint8)
    rows = max(1, _STRIP // w)
    for top in range(0, h, rows):
        at = slice(top, top + rows)
        strip = np.take(wide, above[at], axis=1)
        strip += (np.take(wide, below[at], axis=1) - strip) * share[at]
        strip *= _room(low[at], high[at], strip[0], strip[1])
        strip += np.float32(NEUTRAL + 0.5)  # rounds, because the conversion to bytes truncates
        cb[at], cr[at] = strip
    return cb, cr


def _taps(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], F32]:
    """Two source pixels for each target pixel along one side, and the share of the second."""
    centre = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    first = centre.astype(np.intp)
    return first, np.minimum(first + 1, source - 1), (centre - first).astype(np.float32)


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
