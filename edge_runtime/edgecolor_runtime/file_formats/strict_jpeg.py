"""Decode JPEG files and notice damaged data, which Pillow passes over.

simplejpeg and Pillow use the same library, libjpeg-turbo, and give the same pixels in the same time. Without
simplejpeg, as on 32-bit Arm, Pillow decodes and bit rot is not noticed.
"""

from __future__ import annotations

import importlib.util

from PIL import Image

_HAS_SIMPLEJPEG = importlib.util.find_spec("simplejpeg") is not None
_COLOR_SPACES = {"L": "GRAY", "RGB": "RGB"}
_DAMAGE = "Corrupt JPEG data"


class DamagedJpegError(ValueError):
    """The data of a JPEG file are damaged, and can be decoded in part."""


def decode_strictly(data: bytes, mode: str) -> Image.Image | None:
    """Return the pixels of a JPEG file that is complete and undamaged.

    Args:
        data: the file.
        mode: Pillow's mode of its pixels.

    Returns:
        The pixels; None if Pillow must decode them: the file is cut off, of another kind, or there is no
        simplejpeg.

    Raises:
        DamagedJpegError: the data are damaged.
    """
    if not _HAS_SIMPLEJPEG or mode not in _COLOR_SPACES:
        return None
    import simplejpeg

    try:
        pixels = simplejpeg.decode_jpeg(data, _COLOR_SPACES[mode], strict=True)
    except ValueError as error:
        if str(error).startswith(_DAMAGE):
            raise DamagedJpegError(str(error)) from error
        return None
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
