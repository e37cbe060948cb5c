"""Decode JPEG files and notice damaged data, which Pillow passes over.

simplejpeg and Pillow use the same library, libjpeg-turbo, and give the same pixels. Without
simplejpeg, as on 32-bit Arm, Pillow decodes and bit rot is not noticed.
"""

from __future__ import annotations

import importlib.util

from PIL import Image

_HAS_SIMPLEJPEG = importlib.util.find_spec("simplejpeg") is not None
_COLOR_SPACES = {"L": "GRAY", "RGB": "RGB"}
_LARGE_PIXELS = 16_000_000
_DAMAGE = "Corrupt JPEG data"


class DamagedJpegError(ValueError):
    """The data of a JPEG file are damaged, and can be decoded in part."""


def decode_strictly(data: bytes, mode: str, size: tuple[int, int]) -> Image.Image | None:
    """Return the pixels of a JPEG file that is complete and undamaged.

    A large file is only examined, at an eighth of its size: here its pixels would be in memory twice.

    Args:
        data: the file.
        mode: Pillow's mode of its pixels.
        size: width and height in pixels.

    Returns:
        The pixels; None if Pillow must decode them: the file is large, cut off, of another kind, or there is
        no simplejpeg.

    Raises:
        DamagedJpegError: the data are damaged.
    """
    if not _HAS_SIMPLEJPEG or mode not in _COLOR_SPACES:
        return None
    import simplejpeg

    large = size[0] * size[1] > _LARGE_PIXELS
    try:
        if large:
            simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, strict=True)
            return None
        pixels = simplejpeg.decode_jpeg(data, _COLOR_SPACES[mode], strict=True)
    except ValueError as error:
        if str(error).startswith(_DAMAGE):
            raise DamagedJpegError(str(error)) from error
        return None
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
