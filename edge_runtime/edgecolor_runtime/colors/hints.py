"""Colors given by hand: what the network cannot know.

A hint gives one pixel its color. Its difference from the predicted color spreads to the region around the
pixel. The luma never changes, and the order of the hints does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgecolor_runtime.colors.chroma_spread import F64, ChromaSpread
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_chroma, rgb_to_lab
from edgecolor_runtime.colors.upsampling import ChromaUpsampler
from edgecolor_runtime.errors import UsageError

MAX_HINTS = 500
"""Largest number of hints of a picture. Each takes a plane of memory while they are applied."""

_ROUNDS = 4  # the upsampling bends the chroma at a hint; each round takes back what is left of that
_RIDGE = 1e-6  # relative to the largest response; two hints on one chroma pixel share it


@dataclass(frozen=True)
class Hint:
    """The color of one pixel.

    Attributes:
        x: column of the pixel in the upright picture, counted from 0.
        y: row of the pixel.
        color: sRGB bytes, of which hue and colorfulness are used; (128, 128, 128) leaves the place gray.
            None: the place keeps the predicted color.
    """

    x: int
    y: int
    color: tuple[int, int, int] | None


@dataclass(frozen=True)
class HintSet:
    """The hints of one picture.

    Attributes:
        hints: the hints; their order does not matter.
        reach: how far a hint spreads; 1 is normal.
        size: width and height of the upright picture that the places belong to; None: any.
    """

    hints: tuple[Hint, ...]
    reach: float = 1.0
    size: tuple[int, int] | None = None


def apply_hints(frame: ColorFrame, seen: F32, hint_set: HintSet) -> ColorFrame:
    """Return a frame with the colors of hints.

    Args:
        frame: the frame as predicted.
        seen: mean luma under each chroma pixel, in [0, 255], shape (56, 56).
        hint_set: the hints.

    Raises:
        UsageError: a hint lies outside the picture, a pixel has two hints, there are too many, the reach is
            not positive, or the hints belong to a picture of another size.
    """
    hints = hint_set.hints
    if not hints:
        return frame
    _verify(hint_set, frame.y.size)
    places = [(hint.x, hint.y) for hint in hints]
    before = _chroma_at(frame, places)
    target = np.stack(
        [
            before[number] if hint.color is None else _wanted_chroma(frame, hint)
            for number, hint in enumerate(hints)
        ]
    )
    spread = ChromaSpread(seen, frame.chroma, hint_set.reach)
    sources = np.stack([_weights(frame, hint) for hint in hints], axis=-1)
    responses = spread.respond(sources)
    gram = np.einsum("ijk,ijl->kl", sources, responses)
    gram += np.eye(len(hints)) * (_RIDGE * gram.max())
    missing = target - before
    colored = frame
    for _ in range(_ROUNDS):
        change = responses @ np.linalg.solve(gram, missing)
        colored = replace(colored, chroma=(colored.chroma + change).astype(np.float32))
        missing = target - _chroma_at(colored, places)
    return colored


def _verify(hint_set: HintSet, size: tuple[int, int]) -> None:
    width, height = size
    if hint_set.size is not None and hint_set.size != size:
        raise UsageError(
            f"the hints belong to a picture of {hint_set.size[0]} x {hint_set.size[1]} pixels; this one has "
            f"{width} x {height}"
        )
    if not 0 < hint_set.reach < float("inf"):
        raise UsageError(f"reach {hint_set.reach}: expected a number above 0 (1: normal)")
    if len(hint_set.hints) > MAX_HINTS:
        raise UsageError(f"{len(hint_set.hints)} hints: a picture can have {MAX_HINTS}")
    seen: set[tuple[int, int]] = set()
    for hint in hint_set.hints:
        if not (0 <= hint.x < width and 0 <= hint.y < height):
            raise UsageError(
                f"hint {hint.x},{hint.y} lies outside the picture: columns 0 to {width - 1}, "
                f"rows 0 to {height - 1}"
            )
        if (hint.x, hint.y) in seen:
            raise UsageError(f"pixel {hint.x},{hint.y} has two hints: keep one")
        seen.add((hint.x, hint.y))


def _wanted_chroma(frame: ColorFrame, hint: Hint) -> F32:
    """Return the chroma of a hint's color at the luma of its pixel, limited to what RGB can show."""
    assert hint.color is not None
    luma = np.array([[frame.y.getpixel((hint.x, hint.y))]], np.uint8)
    ab = rgb_to_lab(np.array([[hint.color]], np.uint8))[..., 1:]
    wanted = lab_to_chroma(LIGHTNESS_OF_LUMA[luma], ab)
    return ChromaUpsampler(wanted, (1, 1)).exact(0, luma, luma)[:, 0, 0]


def _chroma_at(frame: ColorFrame, places: Sequence[tuple[int, int]]) -> F32:
    """Return the chroma that the frame shows at some pixels, shape (k, 2)."""
    width, height = frame.y.size
    upsampler = ChromaUpsampler(frame.chroma, (height, width), frame.seen)
    shown = []
    for x, y in places:
        row: U8 = np.asarray(frame.y.crop((0, y, width, y + 1)))
        shown.append(upsampler.exact(y, row, row)[:, 0, x])
    return np.stack(shown)


def _weights(frame: ColorFrame, hint: Hint) -> F64:
    """Return the share of each chroma pixel in the bilinear chroma at a hint's place, shape (56, 56)."""
    (width, height), (rows, columns) = frame.y.size, frame.chroma.shape[:2]
    across = _bilinear_shares((hint.x + 0.5) / width * columns - 0.5, columns)
    down = _bilinear_shares((hint.y + 0.5) / height * rows - 0.5, rows)
    return down[:, None] * across


def _bilinear_shares(center: float, count: int) -> F64:
    center = min(max(center, 0.0), count - 1.0)
    shares: F64 = np.maximum(0.0, 1.0 - np.abs(np.arange(count) - center))
    return shares
