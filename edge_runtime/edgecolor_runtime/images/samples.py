"""Scale samples of any integer or float type to 16 bits: which value is black, and which is white.

The type and the values decide. Unsigned integers span their bits. Every other choice is an assumption, and
comes with a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from edgecolor_runtime.colors.spaces import U8, U16

_CONTAINED_BITS = (8, 10, 12)  # of cameras and scanners that store their values in more bits
_MAX_CLIPPED_SHARE = 0.01  # of the values that may lie outside a range that is assumed
_MIN_WHITE_SHARE = 1 / 16  # of a range that the brightest values reach; below, the range is not assumed
_NO_DATA = 1e30  # and above: marks of pixels without a value
_SAMPLED_VALUES = 4_000_000  # from which the range is chosen
_STRIP_SAMPLES = 1 << 20  # processed at a time, to avoid a float copy of a large scan
_MAX_16_BIT = 65535
_STEPS_PER_BYTE = 257  # 65535 / 255
_LUMA = (19595, 38470, 7471)  # BT.601, of 65536; as in Pillow


@dataclass(frozen=True)
class ValueRange:
    """Which values are black and white.

    Attributes:
        black: value that becomes 0.
        white: value that becomes 65535.
        notes: what was assumed, one sentence each.
    """

    black: float
    white: float
    notes: tuple[str, ...] = ()


def is_deep(image: Image.Image) -> bool:
    """Return whether a Pillow image has more than 8 bits per sample."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def values_of(image: Image.Image) -> NDArray[Any]:
    """Return the samples of a deep Pillow image, shape (h, w)."""
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "F" or (image.mode == "I" and (values.min() < 0 or values.max() > _MAX_16_BIT)):
        return values
    return values.astype(np.uint16, copy=False)  # from either byte order; Pillow opens 16-bit PNG as I


def scale_to_16_bits(
    values: NDArray[Any], bits: int, limits: tuple[float, float] | None = None
) -> tuple[U16, tuple[str, ...]]:
    """Scale samples to [0, 65535].

    Args:
        values: the samples of a picture, shape (h, w, ...), integers or floats.
        bits: significant bits of an unsigned integer; other types use all of theirs.
        limits: the values that become black and white; None: they are chosen.

    Returns:
        The values in the same shape, and notes on what was assumed.

    Raises:
        ValueError: no value is finite.
    """
    span = choose_range(values, bits) if limits is None else ValueRange(*limits)
    if values.dtype == np.uint16 and (span.black, span.white) == (0, _MAX_16_BIT):
        return values, span.notes
    return _apply_range(values, span), span.notes


def round_to_8_bits(deep: U16) -> U8:
    """Round samples of 16 bits to 8 bits, in the same shape."""
    rounded: U8 = np.empty(deep.shape, np.uint8)
    for at in _strips(deep):
        rounded[at] = (deep[at].astype(np.uint32) + _STEPS_PER_BYTE // 2) // _STEPS_PER_BYTE
    return rounded


def luma_of(rgb: U16) -> U16:
    """Return the BT.601 luma of RGB of 16 bits, shape (h, w, 3)."""
    luma: U16 = np.empty(rgb.shape[:2], np.uint16)
    for at in _strips(rgb):
        weighted = sum(rgb[at][..., channel] * np.uint64(weight) for channel, weight in enumerate(_LUMA))
        luma[at] = (weighted + 0x8000) >> 16
    return luma


def choose_range(values: NDArray[Any], bits: int) -> ValueRange:
    """Choose black and white for samples; arguments and errors are those of `scale_to_16_bits`."""
    if values.dtype.kind == "f":
        return _range_of_floats(values)
    low, high = int(values.min()), int(values.max())
    if values.dtype.kind == "i":
        return _range_of_signed(low, high, 8 * values.dtype.itemsize)
    return _range_of_unsigned(low, high, bits)


def _range_of_unsigned(low: int, high: int, bits: int) -> ValueRange:
    full = (1 << bits) - 1
    for contained in _CONTAINED_BITS:
        if bits >= 16 and 0 < high < 1 << contained:
            note = f"none of its {bits}-bit values is above {high}; they were read as {contained} bits"
            return ValueRange(0, (1 << contained) - 1, (note,))
    if bits == 16 and 0 < high - low < full * _MIN_WHITE_SHARE:  # as a thermal camera uses
        shown = f"--range {low}:{high} shows them as black to white"
        note = f"its values span only {low} to {high} of {full}; {shown}"
        return ValueRange(0, full, (note,))
    if bits <= 16 or high > full * _MIN_WHITE_SHARE:
        return ValueRange(0, full)
    if high <= 0xFFFF:
        return ValueRange(0, 0xFFFF, (f"its {bits}-bit values were read as 16 bits",))
    return ValueRange(0, high, (f"its values from 0 to {high} were scaled to black and white",))


def _range_of_signed(low: int, high: int, bits: int) -> ValueRange:
    half = 1 << (bits - 1)
    if low < 0:
        if high - low >= half // 2:
            note = f"its signed {bits}-bit values were read as {-half} (black) to {half - 1} (white)"
            return ValueRange(-half, half - 1, (note,))
        return ValueRange(low, high, (f"its values from {low} to {high} were scaled to black and white",))
    whites = ((1 << contained) - 1 for contained in (*_CONTAINED_BITS, 16))
    white = next((white for white in whites if high <= white < half), half - 1)
    if high < white * _MIN_WHITE_SHARE:
        white = high
    note = f"its signed {bits}-bit values were read as 0 (black) to {white} (white)"
    return ValueRange(0, white, (note,))


def _range_of_floats(values: NDArray[Any]) -> ValueRange:
    step = -(-values.size // _SAMPLED_VALUES)
    sample = values.reshape(-1)[::step].astype(np.float64)
    sample = sample[np.abs(sample) < _NO_DATA]  # also drops NaN
    if not sample.size:
        raise ValueError("no pixel has a finite value")
    lost = () if sample.size == -(-values.size // step) else ("its pixels without a value are black",)
    low, high = float(sample.min()), float(sample.max())
    top = float(np.quantile(sample, 1 - _MAX_CLIPPED_SHARE))
    if np.mean(sample < 0) <= _MAX_CLIPPED_SHARE:
        fractions = high <= 1 or bool(np.any(sample != np.rint(sample)))  # without any, 1 is not white
        for white in (1,) * fractions + (255, 4095, 65535):
            if top <= white and (top >= white * _MIN_WHITE_SHARE or white == 1 or high <= white):
                return ValueRange(0, white, (*_assumed(low, high, white), *lost))
    bottom = float(np.quantile(sample, _MAX_CLIPPED_SHARE))
    margin = top - bottom
    # A few values far outside, as of dead pixels, must not decide how bright all others are.
    black = max(low, bottom - margin)
    white_value = min(high, top + margin)
    note = f"its values from {black:g} to {white_value:g} were scaled to black and white"
    return ValueRange(black, white_value, (note, *lost))


def _assumed(low: float, high: float, white: int) -> tuple[str, ...]:
    if low >= 0 and high <= white:
        return () if white == 1 else (f"its values were read as 0 (black) to {white} (white)",)
    outside = " and ".join(["below 0"] * (low < 0) + [f"above {white}"] * (high > white))
    return (f"its values were read as 0 (black) to {white} (white); a few {outside} were clipped",)


def _apply_range(values: NDArray[Any], span: ValueRange) -> U16:
    """Return values on the scale [0, 65535]; values that are not a number become 0."""
    width = span.white - span.black or 1.0
    scaled: U16 = np.empty(values.shape, np.uint16)
    for at in _strips(values):
        real = np.nan_to_num((values[at].astype(np.float64) - span.black) * (_MAX_16_BIT / width), nan=0.0)
        scaled[at] = np.rint(real.clip(0, _MAX_16_BIT))
    return scaled


def _strips(values: NDArray[Any]) -> list[slice]:
    rows = max(1, _STRIP_SAMPLES // max(1, values[:1].size))
    return [slice(top, top + rows) for top in range(0, len(values), rows)]
