"""Metadata that the colored file keeps: EXIF, XMP and resolution; notes on what is left out."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

# TIFF tags that describe how pixels are stored in the file. They must not be copied to another file.
_LAYOUT_TAGS = (
    *range(254, 267), 273, 274, *range(277, 282), 284, 290, 291, 292, 293, 301, 317, 320, *range(322, 326),
    330, 338, 339, 340, 341, 347, 512, 513, 514, 519, 529, 530, 531, 532, 700, 33723, 34377, 34675,
)  # fmt: skip
_EXIF_IFD = 0x8769  # EXIF tags
_EXIF_WIDTH = 0xA002
_EXIF_HEIGHT = 0xA003
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")  # of JPEG, WebP and TIFF; of PNG


def read_dpi(value: Any) -> tuple[float, float] | None:
    """Return a resolution as two positive finite numbers; None if it is something else."""
    try:
        x, y = (float(v) for v in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < math.inf and 0 < y < math.inf else None


def rewrite_exif(exif: Image.Exif, size: tuple[int, int]) -> tuple[bytes, tuple[str, ...]]:
    """Return the EXIF block for an upright picture of this size, and notes on what was left out.

    Pixel layout and thumbnail are left out: they describe the file that was read.
    """
    if not exif:
        return b"", ()
    for tag in _LAYOUT_TAGS:
        exif.pop(tag, None)
    inner = exif.get_ifd(_EXIF_IFD)
    if (inner.get(_EXIF_WIDTH, size[0]), inner.get(_EXIF_HEIGHT, size[1])) != size:
        exif[_EXIF_IFD] = {**inner, _EXIF_WIDTH: size[0], _EXIF_HEIGHT: size[1]}
    if not len(exif):
        return b"", ()
    try:
        return exif.tobytes(), ()  # without the thumbnail, which shows the gray picture
    except Exception:  # Pillow raises many types when it writes the tags of a damaged block
        return b"", ("its EXIF block is damaged and was left out",)


def list_left_out(image: Image.Image) -> list[str]:
    """Return a note for each block of metadata that the colored file does not get."""
    texts = sorted(key for key in getattr(image, "text", {}) if key not in _XMP_KEYS)
    notes = [f"its text ({', '.join(texts)}) was left out"] if texts else []
    return notes + ["its IPTC block was left out"] * ("photoshop" in image.info)


def read_xmp(info: dict[Any, Any]) -> bytes | None:
    """Return the XMP packet from the info of a Pillow image; None if there is none."""
    packet = next((info[key] for key in _XMP_KEYS if info.get(key)), None)
    if isinstance(packet, str):
        return packet.encode()
    return packet if isinstance(packet, bytes) else None
