"""Normalize what the network sees of a picture: without its mount, and with the tones of a good print.

The network learned from good photographs. On a faded or dark picture it loses about 1 dB of color, and inside
a mount 0.7 dB. The luma of the result is not changed by any of this. The measurements behind the numbers are
in docs/decisions/0025-faded-pictures.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.models.signature import CHROMA_SIZE, CHROMA_STRIDE, INPUT_SIZE

TAIL_SHARE = 0.005  # of the pixels that are darker than black, and of those that are brighter than white
STRETCHED_BLACK = 10  # luma of black in a picture that is stretched as far as possible
STRETCHED_WHITE = 245
GOOD_RANGE = 180  # levels between black and white; a picture with more is not changed
FADED_RANGE = 150  # with fewer levels, the picture is stretched as far as possible
BLANK_RANGE = 40  # with fewer levels, there is less and less picture, and it is stretched less and less

MIN_BORDER = 4  # pixels; a thinner border costs nothing
MAX_BORDER_SHARE = 0.6  # of height or width; what is inside of more is not the picture
MAX_NESTED_BORDERS = 3  # a mount, a black line around the picture, and the edge of the scan
TONE_MARGIN = 16  # an inside loses 1 / 16 per side before its tones are measured: its edge may be the mount's

_BORDER_LEVELS = 14  # pixels of a border differ less from its median
_BORDER_SHARE = 0.9  # of the pixels of a line of the border; the others are captions and stains
_PAIR_LEVELS = 20  # difference between the borders of opposite sides
_SOFT_PIXELS = 3  # between a border and a border inside it
_EDGE_PIXELS = 3  # so far inside, the picture has begun, even if it lies at a slant
_EDGE_SHARE = 0.6  # of a line there that differs from the border; an object on a plain background has less


class Box(NamedTuple):
    """A part of what the network sees of a picture, in pixels from 0 to 224."""

    left: int
    top: int
    right: int
    bottom: int


class Tones(NamedTuple):
    """The luma of the darkest and of the brightest part of a picture, in [0, 255]."""

    black: float
    white: float


WHOLE = Box(0, 0, INPUT_SIZE, INPUT_SIZE)


@dataclass(frozen=True)
class Normalization:
    """The part of a picture that the network colors, and the tones of this part.

    Attributes:
        inside: the picture without its mount.
        tones: tones of the inside.
    """

    inside: Box
    tones: Tones

    def apply(self, seen: U8) -> U8:
        """Return the luma that goes into the network for 8-bit luma, both of shape (224, 224)."""
        if self.inside != WHOLE:
            part = Image.fromarray(seen).resize(WHOLE[2:], Image.Resampling.BILINEAR, box=self.inside)
            seen = np.asarray(part)
        return stretch(seen, self.tones)

    def place(self, ab: F32) -> F32:
        """Put the network's ab into the whole picture, both of shape (56, 56, 2). The mount stays gray."""
        if self.inside == WHOLE:
            return ab
        left, top, right, bottom = self.inside
        rows, columns = _coverage(top, bottom), _coverage(left, right)
        return np.stack([rows @ ab[..., plane] @ columns.T for plane in (0, 1)], axis=-1)


def measure_normalization(seen: U8) -> Normalization:
    """Return how a picture is normalized, from 8-bit luma of shape (224, 224)."""
    inside = find_inside(seen)
    return Normalization(inside, measure_tones(seen, inside))


def stretch(gray: U8, tones: Tones) -> U8:
    """Stretch luma by as much as the picture is faded or dark. A good picture is returned as it is.

    Args:
        gray: 8-bit luma, any shape.
        tones: tones of the picture.
    """
    black, white = tones
    span = white - black
    strength = min((GOOD_RANGE - span) / (GOOD_RANGE - FADED_RANGE), span / BLANK_RANGE, 1.0)
    if strength <= 0:
        return gray
    new_black = black + strength * (min(black, STRETCHED_BLACK) - black)
    new_white = white + strength * (max(white, STRETCHED_WHITE) - white)
    levels = (np.arange(256) - black) * ((new_white - new_black) / span) + new_black
    table: U8 = np.rint(levels.clip(0, 255)).astype(np.uint8)
    return table[gray]


def measure_tones(gray: U8, inside: Box | None = None) -> Tones:
    """Return the tones of a picture, or of the inside of its mount, from 8-bit luma (height, width)."""
    if inside is not None and inside != WHOLE:
        left, top, right, bottom = inside
        x, y = (right - left) // TONE_MARGIN, (bottom - top) // TONE_MARGIN
        gray = gray[top + y : bottom - y, left + x : right - x]
    counts = Image.fromarray(np.ascontiguousarray(gray)).histogram()  # faster than numpy's bincount
    shares = np.cumsum(counts) / gray.size
    black, white = np.searchsorted(shares, (TAIL_SHARE, 1 - TAIL_SHARE))
    return Tones(float(black), float(white))


def find_inside(seen: U8) -> Box:
    """Return the picture inside a mount, a scanner's background or the bars of a film; `WHOLE` without any.

    A border has one tone, and as much on the opposite side. Along its inner edge most of the picture differs
    from it. A sky or the plain background of an object does not meet both.

    Args:
        seen: 8-bit luma, shape (224, 224).
    """
    rows, columns = slice(0, INPUT_SIZE), slice(0, INPUT_SIZE)
    for nested in range(MAX_NESTED_BORDERS):
        soft = _SOFT_PIXELS if nested else 0  # of the edge of the border around
        part = seen[rows.start + soft : rows.stop - soft, columns.start + soft : columns.stop - soft]
        above_below, beside = _measure_borders(part), _measure_borders(part.T)
        above_below = _verify_edges(part, above_below, across=beside)
        beside = _verify_edges(part.T, beside, across=above_below)
        if above_below is None and beside is None:
            break
        rows, columns = _shrink(rows, above_below, soft), _shrink(columns, beside, soft)
    left, right = _ends(columns)
    top, bottom = _ends(rows)
    return Box(left, top, right, bottom)


class _Borders(NamedTuple):
    """The borders at the two ends of one axis: their sizes in pixels, and the tone of the first one."""

    first: int
    last: int
    level: int


def _measure_borders(part: U8) -> _Borders | None:
    """Return how many rows at the top and at the bottom have the tone of the first row; None without any."""
    first, last = np.sort(part[0]), np.sort(part[-1])
    middle, tail = len(first) // 2, int(len(first) * (1 - _BORDER_SHARE) / 2)
    level = int(first[middle])
    # Most pictures end here, after two of their rows.
    if abs(level - int(last[middle])) > _PAIR_LEVELS:
        return None
    for row in (first, last):
        if int(row[-1 - tail]) - int(row[tail]) > 2 * _BORDER_LEVELS:
            return None
    top = _count_rows(part, level)
    bottom = _count_rows(part[::-1], int(last[middle]))
    is_border = min(top, bottom) > 0 and top + bottom <= MAX_BORDER_SHARE * len(part)
    return _Borders(top, bottom, level) if is_border else None


def _count_rows(part: U8, level: int) -> int:
    """Return the number of rows at the top that have a tone, at most the share that a border may have."""
    rows = part[: int(MAX_BORDER_SHARE * len(part)) + 1]
    is_border = np.count_nonzero(_has_tone(rows, level), axis=1) >= _BORDER_SHARE * rows.shape[1]
    return len(rows) if is_border.all() else int(np.argmin(is_border))


def _verify_edges(part: U8, borders: _Borders | None, *, across: _Borders | None) -> _Borders | None:
    """Return the borders if a picture begins all along them, and None otherwise.

    Args:
        part: the picture with the borders at its top and bottom.
        borders: the borders.
        across: the borders at its left and right, which are left out.
    """
    if borders is None:
        return None
    inside = part[borders.first : len(part) - borders.last]
    if across is not None:
        inside = inside[:, across.first : inside.shape[1] - across.last]
    edge = min(_EDGE_PIXELS, len(inside) - 1)
    is_border = _has_tone(inside[[edge, -1 - edge]], borders.level)
    return borders if is_border.mean(axis=1).max() <= 1 - _EDGE_SHARE else None


def _has_tone(part: U8, level: int) -> NDArray[np.bool_]:
    low, high = max(level - _BORDER_LEVELS, 0), min(level + _BORDER_LEVELS, 255)
    return (part >= low) & (part <= high)


def _shrink(side: slice, borders: _Borders | None, soft: int) -> slice:
    if borders is None:
        return side
    return slice(side.start + soft + borders.first, side.stop - soft - borders.last)


def _ends(side: slice) -> tuple[int, int]:
    """Return where the inside begins and ends on one axis; the whole axis if its borders are thin or wide."""
    is_thin = min(side.start, INPUT_SIZE - side.stop) < MIN_BORDER
    is_wide = side.stop - side.start < (1 - MAX_BORDER_SHARE) * INPUT_SIZE
    return (0, INPUT_SIZE) if is_thin or is_wide else (side.start, side.stop)


@lru_cache(maxsize=8)
def _coverage(start: int, stop: int) -> F32:
    """Return the share of each chroma pixel of the whole picture that each pixel of the inside covers.

    Args:
        start: first pixel of the inside, of 224.
        stop: pixel after the last one.

    Returns:
        Shares, shape (56, 56): pixels of the whole picture, pixels of the inside.
    """
    edges = np.linspace(start, stop, CHROMA_SIZE + 1) / CHROMA_STRIDE
    pixels = np.arange(CHROMA_SIZE)[:, None]
    overlap = np.minimum(pixels + 1, edges[1:]) - np.maximum(pixels, edges[:-1])
    return overlap.clip(0).astype(np.float32)
