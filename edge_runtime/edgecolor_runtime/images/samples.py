"""Scale samples of more than 8 bits, integers and floats, to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import PictureError

MAX_12_BIT = 4095
MAX_16_BIT = 65535


def scale_to_8_bits(image: Image.Image, white: int) -> tuple[Image.Image, tuple[str, ...]]:
    """Scale more than 8 bits per pixel to 8 bits. Pillow's own conversion clips the values."""
    values: NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16"):
        values = values.astype(np.uint16)  # from either byte order
        return _scaled(values, 0, white), ()
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


def _scaled(values: NDArray[Any], low: float, high: float) -> Image.Image:
    span = high - low if high > low else 1.0
    scaled: U8 = np.empty(values.shape, np.uint8)
    for row, target in zip(values, scaled, strict=True):  # row by row, to avoid a float copy of a large scan
        real = np.nan_to_num((row.astype(np.float64) - low) * (255 / span), nan=0.0)
        target[:] = np.rint(real.clip(0, 255))
    return Image.fromarray(scaled)
