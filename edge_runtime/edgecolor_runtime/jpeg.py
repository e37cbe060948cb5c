"""A colour frame to JPEG bytes from its Y, Cb and Cr: no RGB in between."""

from __future__ import annotations

import io

from PIL import Image

from edgecolor_runtime.colorizer import ColorFrame

QUALITY = 90  # of a live picture


def encode_jpeg(frame: ColorFrame, quality: int = QUALITY) -> bytes:
    """JPEG, 4:2:0, without metadata."""
    return _pillow(frame.to_ycbcr(), quality)


def encode_gray(gray: Image.Image, quality: int = QUALITY) -> bytes:
    """JPEG of one component, of a picture of mode L."""
    return _pillow(gray, quality)


def _pillow(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, subsampling="4:2:0" if image.mode == "YCbCr" else -1)
    return buffer.getvalue()
