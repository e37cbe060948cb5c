"""Scale samples of more than 8 bits, integers and floats, to 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.spaces import U8, U16
from edgecolor_runtime.errors import PictureError

MAX_12_BIT = 4095
MAX_16_BIT = 65535
_STEPS_PER_BYTE = 257  # 65535 / 255
_STRIP_SAMPLES = 1 << 20  # processed at a time, to avoid a float copy of a large scan


def is_deep(image: Image.Image) -> bool:
    """Return whether a Pillow image has more than 8 bits per sample."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def scale_to_16_bits(image: Image.Image, white: int) -> tuple[U16, tuple[str, ...]]:
    """Scale the samples of an image of more than 8 bits to [0, 65535], and return notes on the range.

    Args:
        image: image of mode I, F or I;16.
        white: sample of mode I;16 that is white.
    """
    values: NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16"):
        values = values.astype(np.uint16, copy=False)  # from either byte order
        return values if white == MAX_16_BIT else _scaled(values, 0, white), ()
    if not np.isfinite(values).any():
        raise PictureError("no pixel has a finite value")
    low, high = float(np.nanmin(values)), float(np.nanmax(np.where(np.isinf(values), np.nan, values)))
    if image.mode == "F" and low >= 0 and high <= 1:
        return _scaled(values, 0, 1), ()
    if image.mode == "F" and low >= 0 and high <= 255:
        return _scaled(values, 0, 255), ()
    if image.mode == "I" and low >= 0 and high <= MAX_16_BIT:  # how Pillow opens 16-bit PNG and PGM
        return _scaled(values, 0, MAX_16_BIT), ()
    return _scaled(values, low, high), (
        f"its values from {low:g} to {high:g} were scaled to black and white",
    )


def round_to_8_bits(deep: U16) -> Image.Image:
    """Return 16-bit luma as an image of mode L."""
    rounded: U8 = np.empty(deep.shape, np.uint8)
    for at in _strips(deep):
        rounded[at] = (deep[at].astype(np.uint32) + _STEPS_PER_BYTE // 2) // _STEPS_PER_BYTE
    return Image.fromarray(rounded)


def _scaled(values: NDArray[Any], low: float, high: float) -> U16:
    span = high - low if high > low else 1.0
    scaled: U16 = np.empty(values.shape, np.uint16)
    for at in _strips(values):
        real = np.nan_to_num((values[at].astype(np.float64) - low) * (MAX_16_BIT / span), nan=0.0)
        scaled[at] = np.rint(real.clip(0, MAX_16_BIT))
    return scaled


def _strips(values: NDArray[Any]) -> list[slice]:
    rows = max(1, _STRIP_SAMPLES // values.shape[1])
    return [slice(top, top + rows) for top in range(0, len(values), rows)]
