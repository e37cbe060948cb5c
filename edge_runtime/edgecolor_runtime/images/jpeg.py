"""A color frame to JPEG bytes from its Y, Cb and Cr: no RGB in between.

simplejpeg takes chroma planes of half the size as they are, and is imported here alone. Where it is missing,
as on 32-bit Arm, Pillow encodes: it wants them at full size, to halve them again, and takes longer.
"""

from __future__ import annotations

import importlib.util
import io

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import U8

FAST = importlib.util.find_spec("simplejpeg") is not None
"""Whether simplejpeg is there."""

QUALITY = 90  # of a live picture


def encode_jpeg(frame: ColorFrame, quality: int = QUALITY) -> bytes:
    """JPEG, 4:2:0, without metadata.

    Args:
        frame: The colored frame.
        quality: 1 to 100.
    """
    if not FAST:
        return _pillow(frame.to_ycbcr(), quality)
    return _planes(np.asarray(frame.y), *frame.half_planes(), quality)


def encode_gray(gray: Image.Image, quality: int = QUALITY) -> bytes:
    """JPEG of one component, of a picture of mode L."""
    if not FAST:
        return _pillow(gray, quality)
    return _planes(np.asarray(gray), None, None, quality)


def _planes(y: U8, cb: U8 | None, cr: U8 | None, quality: int) -> bytes:
    import simplejpeg

    data: bytes = simplejpeg.encode_jpeg_yuv_planes(y, cb, cr, quality=quality, fastdct=True)
    return data


def _pillow(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    options = {"subsampling": "4:2:0"} if image.mode == "YCbCr" else {}
    image.save(buffer, format="JPEG", quality=quality, **options)
    return buffer.getvalue()
