"""What a picture file says about the picture, and what of this holds for the colored result."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from edgecolor_runtime.file_formats import tiff_directory as tiff
from edgecolor_runtime.file_formats.photoshop import IPTC_RESOURCE, find_iptc
from edgecolor_runtime.file_formats.tiff_directory import (
    ASCII,
    BYTE,
    EXIF,
    ICC,
    INTEROP,
    IPTC,
    MAIN,
    UNDEFINED,
    XMP,
    Block,
    Directory,
    Entry,
)
from edgecolor_runtime.file_formats.xmp import clean_packet

if TYPE_CHECKING:
    from edgecolor_runtime.images.picture import DecodedPage

# Tags that describe how pixels are stored in the file, or what lies beside them: hidden layers, thumbnails,
# the development of a camera's raw data, padding. They must not be copied to another file.
_PHOTOSHOP = 34377
_LAYOUT_TAGS = frozenset(
    (
        *range(254, 267), 273, 274, *range(277, 282), 284, *range(288, 294), 300, 301, 317, 318, 319, 320,
        *range(321, 329), 330, *range(332, 335), *range(336, 348), 351, *range(400, 406), *range(433, 438),
        *range(512, 522), *range(529, 533), 559, XMP, 33421, 33422, IPTC, *range(34016, 34034), _PHOTOSHOP,
        ICC, 37724, *range(50706, 50742), *range(50778, 50782), *range(50827, 50835), *range(50879, 50885),
        *range(50931, 50942), *range(50964, 51126), 59932, 59933,
    )
)  # fmt: skip
_PIXEL_TAGS = frozenset((254, 255, 273, 279, 288, 289, 324, 325, 330, 512, 513, 514, 519, 520, 521))
_DESCRIPTION = 270
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_INCH, _CENTIMETER = 2, 3
_CENTIMETERS_PER_INCH = 2.54
_COLOR_SPACE = 0xA001  # EXIF tags
_WIDTH = 0xA002
_HEIGHT = 0xA003
_SRGB = 1  # value of _COLOR_SPACE
_INFO_TAGS = {"icc_profile": ICC, "xmp": XMP}  # Pillow's names
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")  # of JPEG, WebP and TIFF; of PNG
_PROFILE_TEXT = "Raw profile type "  # PNG texts that hold EXIF, IPTC and XMP as hexadecimal digits


@dataclass(frozen=True)
class Metadata:
    """What a picture file says about the picture.

    Attributes:
        exif: EXIF block without orientation, pixel layout and thumbnail; empty if there is none.
        dpi: horizontal and vertical resolution in pixels per inch, or None.
        xmp: XMP packet, or None.
        iptc: IPTC block (IIM), or None.
        comment: comment of a JPEG or GIF file, or None.
        texts: keyword and text of each text of a PNG file.
    """

    exif: bytes = b""
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    texts: tuple[tuple[str, str], ...] = ()


def read_tiff(file: IO[bytes], offset: int) -> tuple[Block, dict[str, object]]:
    """Return the directories of a page of a TIFF file, and its metadata of other kinds under Pillow's names.

    Args:
        file: the file; its position changes.
        offset: position of the page's directory.

    Raises:
        ValueError: there is no readable directory.
    """
    block = tiff.read_block(file, offset=offset, unread=_PIXEL_TAGS)
    main = block.directories[MAIN]
    return block, {name: main[tag].data for name, tag in _INFO_TAGS.items() if tag in main}


def read_metadata(page: DecodedPage, size: tuple[int, int]) -> tuple[Metadata, tuple[str, ...]]:
    """Return what holds for the colored result of a page, and notes on what was left out.

    Args:
        page: the page.
        size: width and height of the upright picture.
    """
    block, notes = page.directories or Block("<", {}), []
    exif = page.info.get("exif")
    if page.directories is None and isinstance(exif, bytes) and exif:
        try:
            block = tiff.parse_block(exif)
        except ValueError:
            notes.append("its EXIF block is damaged and was left out")
    if block.damaged:
        notes.append(f"damaged entries of its EXIF block were left out: {block.damaged}")
    xmp = _xmp(page.info)
    try:
        xmp = xmp and clean_packet(xmp)
    except ValueError:
        xmp = None
        notes.append("its XMP packet is damaged and was left out")
    return Metadata(
        exif=tiff.pack_block(_fit_block(block, size)),
        dpi=_dpi_of_info(page.info) or _dpi_of_block(block),
        xmp=xmp,
        iptc=_iptc(page.info, block),
        comment=_comment(page.info.get("comment")),
        texts=tuple(_texts(page.texts)),
    ), tuple(notes)


def state_srgb(metadata: Metadata) -> Metadata:
    """Return metadata that name sRGB as the color space, for a picture that was converted to it."""
    if not metadata.exif:
        return metadata
    block = tiff.parse_block(metadata.exif)
    inner = block.directories.get(EXIF, {})
    if _COLOR_SPACE not in inner:
        return metadata
    directories = {**block.directories, EXIF: {**inner, _COLOR_SPACE: block.short(_SRGB)}}
    return replace(metadata, exif=tiff.pack_block(Block(block.order, directories)))


def add_to_tiff(metadata: Metadata, icc: bytes | None, order: str = "<") -> Block:
    """Return the directories of a TIFF page with this metadata and ICC profile, without its pixels.

    Args:
        metadata: what the file says about the picture.
        icc: ICC profile of the pixels.
        order: byte order if the metadata have no EXIF block, which has its own.
    """
    block = tiff.parse_block(metadata.exif) if metadata.exif else Block(order, {})
    main: Directory = dict(block.directories.get(MAIN, {}))
    if metadata.dpi and _X_RESOLUTION not in main:
        main[_X_RESOLUTION], main[_Y_RESOLUTION] = (block.rational(value) for value in metadata.dpi)
        main[_RESOLUTION_UNIT] = block.short(_INCH)
    if metadata.comment and _DESCRIPTION not in main:
        text = metadata.comment.rstrip(b"\0") + b"\0"
        main[_DESCRIPTION] = Entry(ASCII, len(text), text)
    for tag, kind, data in (
        (XMP, BYTE, metadata.xmp),
        (IPTC, UNDEFINED, metadata.iptc),
        (ICC, UNDEFINED, icc),
    ):
        if data:
            main[tag] = Entry(kind, len(data), data)
    # libtiff warns about the directory of interoperability rules, which are those of JPEG files.
    others = {key: entries for key, entries in block.directories.items() if key != INTEROP}
    return Block(block.order, {**others, MAIN: main})


def _fit_block(block: Block, size: tuple[int, int]) -> Block:
    main = {tag: entry for tag, entry in block.directories.get(MAIN, {}).items() if tag not in _LAYOUT_TAGS}
    inner = dict(block.directories.get(EXIF, {}))
    for tag, length in ((_WIDTH, size[0]), (_HEIGHT, size[1])):
        if tag in inner:
            inner[tag] = block.long(length)
    return Block(block.order, {**block.directories, MAIN: main, EXIF: inner})


def _dpi_of_block(block: Block) -> tuple[float, float] | None:
    main = block.directories.get(MAIN, {})
    unit = block.integer(main[_RESOLUTION_UNIT]) if _RESOLUTION_UNIT in main else _INCH
    factor = {_INCH: 1.0, _CENTIMETER: _CENTIMETERS_PER_INCH}.get(unit)
    if factor is None or _X_RESOLUTION not in main or _Y_RESOLUTION not in main:
        return None
    return _dpi([_fraction(block, main[tag].data) * factor for tag in (_X_RESOLUTION, _Y_RESOLUTION)])


def _dpi_of_info(info: Mapping[str, object]) -> tuple[float, float] | None:
    resolution = info.get("dpi")
    if not isinstance(resolution, (tuple, list)):
        return None
    try:
        return _dpi([float(value) for value in resolution])
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _dpi(values: list[float]) -> tuple[float, float] | None:
    if len(values) != 2 or not all(0 < value < math.inf for value in values):
        return None
    return values[0], values[1]


def _fraction(block: Block, data: bytes) -> float:
    if len(data) < 8:
        return 0.0
    numerator, denominator = struct.unpack(f"{block.order}2L", data[:8])
    return float(numerator / denominator) if denominator else 0.0


def _xmp(info: Mapping[str, object]) -> bytes | None:
    packet = next((info[key] for key in _XMP_KEYS if info.get(key)), None)
    if isinstance(packet, str):
        return packet.encode()
    return packet if isinstance(packet, bytes) else None


def _texts(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key in sorted(texts):
        if key not in _XMP_KEYS and not key.startswith(_PROFILE_TEXT):
            yield key, str(texts[key])


def _comment(value: object) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) and value else None


def _iptc(info: Mapping[str, object], block: Block) -> bytes | None:
    """Return the IPTC block of a JPEG, TIFF or PNG file."""
    resources = info.get("photoshop")
    if isinstance(resources, dict):  # as Pillow reads those of JPEG
        data = resources.get(IPTC_RESOURCE)
        return data if isinstance(data, bytes) and data else None
    main = block.directories.get(MAIN, {})
    if IPTC in main:
        return main[IPTC].data
    if _PHOTOSHOP in main:
        return find_iptc(main[_PHOTOSHOP].data)
    text = info.get(f"{_PROFILE_TEXT}iptc") or info.get(f"{_PROFILE_TEXT}8bim")
    return _unpack_profile_text(text) if isinstance(text, str) else None


def _unpack_profile_text(text: str) -> bytes | None:
    """Return the IPTC block of a "Raw profile type" text: name, length, hexadecimal digits."""
    try:
        data = bytes.fromhex("".join(text.split()[2:]))
    except ValueError:
        return None
    return find_iptc(data) if data.startswith(b"8BIM") else data or None
