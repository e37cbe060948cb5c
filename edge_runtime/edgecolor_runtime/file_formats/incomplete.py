"""Pictures whose file is cut off or damaged: decode what is there, and say which part is missing."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats.tiff_strips import inflate

BIT_ROT = "its data are damaged; parts of the picture may be wrong"
COLORS_MISSING = "its last bytes are missing, and with them some of its colors"
PAGES_MISSING = "its last bytes are missing, and with them its last pages"
_LESS_DETAIL = "its last bytes are missing; the picture has less detail"

MISSING_LEVEL = 128  # gray level of missing pixels
_MISSING_COLORS: dict[str, int | tuple[int, ...]] = {
    "L": MISSING_LEVEL,
    "RGB": (MISSING_LEVEL,) * 3,
    "LAB": (MISSING_LEVEL,) * 3,
    "CMYK": (0, 0, 0, 255 - MISSING_LEVEL),
}
END_ONLY = "its last bytes are missing; the picture is complete"
_MIN_FILLED_SHARE = 0.5  # of a rectangle that is missing as a whole
_JPEG_END = b"\xff\xd9"
_JPEG_START_OF_SCAN = 0xDA
_JPEG_SCAN = b"\xff\xda"
_FALSE_MARKERS = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)  # markers of the frame
_JPEG_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_NOISE_BYTES = 4096  # more than the coefficients of a block
_PNG_SIGNATURE_BYTES = 8
_PNG_HEADER_BYTES = 13
_PNG_CHUNK_BYTES = 12  # of a chunk without content
_MAX_PNG_FILTER = 4
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_SIDES = {  # orientation -> where the lower, upper, right and left side of the stored picture are shown
    1: ("lower", "upper", "right", "left"),
    2: ("lower", "upper", "left", "right"),
    3: ("upper", "lower", "left", "right"),
    4: ("upper", "lower", "right", "left"),
    5: ("right", "left", "lower", "upper"),
    6: ("left", "right", "lower", "upper"),
    7: ("left", "right", "upper", "lower"),
    8: ("right", "left", "upper", "lower"),
}
Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a picture in pixels."""

Decode = Callable[[bytes], Image.Image]
"""Opens and loads a complete file."""


@dataclass(frozen=True)
class Recovered:
    """What is left of a picture.

    Attributes:
        image: its pixels.
        missing: the parts that are missing.
        damage: what else is damaged, one sentence each.
    """

    image: Image.Image
    missing: tuple[Box, ...]
    damage: tuple[str, ...]


def describe_missing(missing: Sequence[Box], size: tuple[int, int], orientation: int) -> str:
    """Return a sentence on the missing parts of a stored picture as a viewer sees them, upright."""
    width, height = size
    left, top = min(box[0] for box in missing), min(box[1] for box in missing)
    right, bottom = max(box[2] for box in missing), max(box[3] for box in missing)
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in missing)
    share = missing_share(missing, size)
    percent = (
        f"{100 * share:.0f} % are" if share >= 0.015 else f"{max(share, 0.001):.1%} is".replace("%", " %")
    )
    in_one_place = area > _MIN_FILLED_SHARE * (right - left) * (bottom - top)
    sides = _SIDES.get(orientation, _SIDES[1])
    at_side = (
        (left, right, bottom) == (0, width, height),
        (left, right, top) == (0, width, 0),
        (top, bottom, right) == (0, height, width),
        (top, bottom, left) == (0, height, 0),
    )
    if in_one_place and True in at_side:
        return f"the {sides[at_side.index(True)]} {percent} missing"
    return f"{percent} missing, in several places".replace("are missing", "of its area are missing").replace(
        "is missing", "of its area is missing"
    )


def missing_share(missing: Sequence[Box], size: tuple[int, int]) -> float:
    """Return the share of a picture's area that is missing, 0 to 1."""
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in missing)
    return min(1.0, area / (size[0] * size[1]))


def fill_missing(image: Image.Image, missing: Sequence[Box]) -> None:
    """Make the missing parts of a picture of mode L, RGB, CMYK or LAB gray, neither dark nor bright."""
    for box in missing:
        color = _MISSING_COLORS[image.mode]
        image.paste(color, box)


def recover_jpeg(data: bytes, decode: Decode) -> Recovered:
    """Decode a JPEG file whose end is missing or whose data are damaged.

    Raises:
        PictureError: no pixel is left.
        Exception: as `decode`.
    """
    scans, progressive = _describe_scans(data)
    try:
        image = decode(data + _JPEG_END)
    except OSError:
        start = data.rfind(_JPEG_SCAN)
        if progressive or start < 0:
            raise
        # Damage has made a marker, such as the begin of a table, out of pixels.
        pixels = _FALSE_MARKERS.sub(b"\xff\0", data[start + 2 :])
        return Recovered(decode(data[: start + 2] + pixels + _JPEG_END), (), (BIT_ROT,))
    if progressive and scans > 1:
        return Recovered(image, (), (_LESS_DETAIL,))
    # What changes with the bytes after the end does not come from the file.
    noise = bytes(random.Random(0).choices(range(255), k=_NOISE_BYTES))
    changed = ImageChops.difference(image, decode(data + noise + _JPEG_END)).getbbox()
    if changed is None:
        return Recovered(image, (), (END_ONLY,))
    if changed[1] == 0:
        raise PictureError("the file ends before its first pixels")
    return Recovered(image, ((0, changed[1], *image.size),), ())


def _describe_scans(data: bytes) -> tuple[int, bool]:
    """Return the number of scans that a JPEG file begins, and whether they refine each other."""
    scans, progressive, place = 0, False, 2
    while 0 <= place < len(data) - 3:
        marker = data[place + 1]
        if data[place] != 0xFF or marker in (0, 0xFF, *_JPEG_WITHOUT_LENGTH):  # pixels, or fill bytes
            place = data.find(b"\xff", place + 1)
            continue
        scans += marker == _JPEG_START_OF_SCAN
        progressive |= marker in _JPEG_PROGRESSIVE
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return scans, progressive


def find_png_damage(data: bytes) -> tuple[str, ...]:
    """Return what is damaged in the pixels of a PNG file that can be decoded."""
    chunks = list(_png_chunks(data))
    whole = all(zlib.crc32(kind + content) == crc for kind, content, crc in chunks if kind == b"IDAT")
    return () if whole else (BIT_ROT,)


def recover_png(data: bytes, decode: Decode) -> Recovered:
    """Decode a PNG file whose end is missing or whose pixels are damaged.

    Raises:
        PictureError: no pixel is left.
        Exception: as `decode`.
    """
    chunks = list(_png_chunks(data))
    header = next((content for kind, content, _ in chunks if kind == b"IHDR"), b"")
    pixels = b"".join(content for kind, content, _ in chunks if kind == b"IDAT")
    if len(header) != _PNG_HEADER_BYTES or not pixels:
        raise PictureError("the file ends before its first pixels")
    width, height, bits, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    row = 1 + (width * bits * _PNG_CHANNELS.get(color, 4) + 7) // 8
    length = 2 * row * height if interlaced else row * height
    rows, _ = inflate(pixels, length)
    present = len(rows) // row
    if not interlaced:  # a filter that does not exist: the row was not decompressed from intact data
        filters = rows[: present * row : row]
        present = next((n for n, kind in enumerate(filters) if kind > _MAX_PNG_FILTER), present)
    if not present:
        raise PictureError("the file ends before its first pixels")
    before = [(kind, content) for kind, content, _ in chunks if kind not in (b"IDAT", b"IEND")]
    padded = (rows if interlaced else rows[: present * row]).ljust(length, b"\0")
    repaired = [*before, (b"IDAT", zlib.compress(padded, 1)), (b"IEND", b"")]
    image = decode(data[:_PNG_SIGNATURE_BYTES] + b"".join(_png_chunk(*chunk) for chunk in repaired))
    ends_early = data.find(b"IEND", -_PNG_CHUNK_BYTES) < 0
    damage = () if ends_early else (BIT_ROT,)
    if interlaced:
        return Recovered(image, (), damage or (_LESS_DETAIL,))
    if present >= height:
        return Recovered(image, (), damage or (END_ONLY,))
    return Recovered(image, ((0, present, width, height),), damage)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield kind, content and checksum of each chunk; the content of the last one may be cut off."""
    place = _PNG_SIGNATURE_BYTES
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        kind, end = data[place + 4 : place + 8], place + 8 + length
        yield kind, data[place + 8 : end], int.from_bytes(data[end : end + 4], "big")
        place = end + 4


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
