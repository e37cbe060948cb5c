"""Encode a colored frame as JPEG from its Y, Cb and Cr planes, without a conversion to RGB.

simplejpeg encodes chroma planes of half size directly. Without it,
as on 32-bit Arm, Pillow encodes: it needs the planes at full size, halves them again, and takes longer.
"""

from __future__ import annotations

import importlib.util
import io

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import U8

HAS_SIMPLEJPEG = importlib.util.find_spec("simplejpeg") is not None

LIVE_QUALITY = 90  # of JPEG, 1 to 100


def encode_jpeg(frame: ColorFrame, quality: int = LIVE_QUALITY) -> bytes:
    """Return a frame as JPEG with 4:2:0 chroma, without metadata.

    Args:
        frame: the colored frame.
        quality: JPEG quality, 1 to 100.
    """
    if not HAS_SIMPLEJPEG:
        return _encode_with_pillow(frame.to_ycbcr(), quality)
    return _encode_planes(np.asarray(frame.y), *frame.half_planes(), quality)


def encode_gray(gray: Image.Image, quality: int = LIVE_QUALITY) -> bytes:
    """Return a picture of mode L as JPEG with one component."""
    if not HAS_SIMPLEJPEG:
        return _encode_with_pillow(gray, quality)
    return _encode_planes(np.asarray(gray), None, None, quality)


def _encode_planes(y: U8, cb: U8 | None, cr: U8 | None, quality: int) -> bytes:
    import simplejpeg

    data: bytes = simplejpeg.encode_jpeg_yuv_planes(y, cb, cr, quality=quality, fastdct=True)
    return data


def _encode_with_pillow(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    options = {"subsampling": "4:2:0"} if image.mode == "YCbCr" else {}
    image.save(buffer, format="JPEG", quality=quality, **options)
    return buffer.getvalue()
