"""The memory that a picture needs, and pictures that are refused for their size.

The bytes per pixel are the peaks of reading, coloring and writing, measured with 69 to 400 megapixels.
Large pictures are colored and written in strips, so that reading decides the peak.
"""

from __future__ import annotations

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats import tiff_pages as tags
from edgecolor_runtime.file_formats.tiff_pages import Directory
from edgecolor_runtime.system.machine import read_memory

WHOLE_JPEG_PIXELS = 1 << 24
"""Pixels up to which a JPEG is encoded at once; larger ones are encoded in strips."""

_BYTES_OF_MODE = {"1": 3, "L": 3, "P": 7, "RGB": 7, "CMYK": 10, "LAB": 10, "LA": 10, "PA": 10, "RGBA": 13}
_BYTES_OF_DEEP_MODE = 8
_BYTES_OF_SAMPLES = {1: 3, 2: 10, 3: 7, 4: 13}  # samples of up to 8 bits per pixel -> bytes
_BYTES_OF_DEEP_SAMPLES = {1: 8, 2: 13, 3: 16, 4: 22}
_BYTES_OF_WHOLE_JPEG = 10
_MEGA = 1_000_000


def estimate_bytes(size: tuple[int, int], bytes_per_pixel: int) -> int:
    """Return the bytes of memory at the peak of a picture of this width and height."""
    pixels = size[0] * size[1]
    return max(pixels * bytes_per_pixel, min(pixels, WHOLE_JPEG_PIXELS) * _BYTES_OF_WHOLE_JPEG)


def bytes_of_mode(mode: str) -> int:
    """Return the bytes per pixel at the peak of an image of a Pillow mode."""
    return _BYTES_OF_MODE.get(mode, _BYTES_OF_DEEP_MODE)


def bytes_of_samples(page: Directory) -> int:
    """Return the bytes per pixel at the peak of a page of a TIFF file."""
    table = _BYTES_OF_SAMPLES if page.value(tags.BITS, 1) <= 8 else _BYTES_OF_DEEP_SAMPLES
    palette = page.value(tags.PHOTOMETRIC) == tags.PALETTE
    return table[3 if palette else min(4, max(1, page.value(tags.SAMPLES_PER_PIXEL, 1)))]


def refuse_too_large(size: tuple[int, int], bytes_per_pixel: int, max_pixels: int | None) -> None:
    """Raise PictureError if a picture has more pixels than is allowed, or needs more memory than is free."""
    pixels = size[0] * size[1]
    if max_pixels is not None and pixels > max_pixels:
        raise PictureError(
            f"{size[0]} x {size[1]} are {pixels:,} pixels; at most {max_pixels:,} are allowed. "
            "Scale the picture down first"
        )
    needed, free = estimate_bytes(size, bytes_per_pixel), read_memory()[1]
    if free is not None and needed > free:
        raise PictureError(
            f"{pixels / _MEGA:,.0f} megapixels need {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are "
            "free. Close other programs, or scale the picture down first"
        )
