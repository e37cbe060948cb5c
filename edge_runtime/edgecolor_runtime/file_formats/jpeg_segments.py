"""Segments of JPEG files: metadata, and strips that become one picture.

Pillow before version 11 writes no XMP, and no version writes IPTC.

Source: ITU-T T.81, annex B; EXIF 2.32, section 4.5; ICC.1:2022, annex B.4; XMP specification, part 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from edgecolor_runtime.file_formats.photoshop import pack_iptc

MAX_SEGMENT_BYTES = 65_533  # after the two bytes of its length
STRIP_ROWS = 8 * 16
"""Rows of a strip for `join_strips`, or a multiple: eight restart markers, each after 16 rows of pixels."""

_APP0, _APP1, _APP2, _APP13, _COM = b"\xff\xe0", b"\xff\xe1", b"\xff\xe2", b"\xff\xed", b"\xff\xfe"
_START, _END = b"\xff\xd8", b"\xff\xd9"
_LAST_RESTART = b"\xff\xd7"
_FRAME, _SCAN = b"\xff\xc0", b"\xff\xda"  # headers: baseline frame, scan
_HEIGHT_OFFSET = 5  # in the header of the frame
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_ICC_PART_BYTES = MAX_SEGMENT_BYTES - len(_ICC) - 2


def exif_segment(exif: bytes) -> bytes | None:
    """Return the segment of an EXIF block, which begins with "Exif"; None if it is too large."""
    return _segment(_APP1, exif)


def xmp_segment(packet: bytes) -> bytes | None:
    """Return the segment of an XMP packet; None if it is too large."""
    return _segment(_APP1, _XMP + packet)


def find_xmp(segments: Iterable[tuple[str, bytes]]) -> bytes | None:
    """Return the XMP packet among segments, each a marker's name and content; None if there is none."""
    return next((data[len(_XMP) :] for _, data in segments if data.startswith(_XMP)), None)


def iptc_segment(iptc: bytes) -> bytes | None:
    """Return the segment of an IPTC block; None if it is too large."""
    return _segment(_APP13, _PHOTOSHOP + pack_iptc(iptc))


def comment_segment(comment: bytes) -> bytes | None:
    """Return the segment of a comment; None if it is too large."""
    return _segment(_COM, comment)


def icc_segments(profile: bytes) -> bytes:
    """Return the segments of an ICC profile."""
    parts = [profile[at : at + _ICC_PART_BYTES] for at in range(0, len(profile), _ICC_PART_BYTES)]
    return b"".join(
        _segment(_APP2, _ICC + bytes((number, len(parts))) + part) or b""
        for number, part in enumerate(parts, 1)
    )


def insert_segments(jpeg: bytes, segments: Iterable[bytes]) -> bytes:
    """Return a JPEG file with segments behind its start and its JFIF header."""
    start = 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == _APP0 else 2
    return b"".join((jpeg[:start], *segments, jpeg[start:]))


def join_strips(strips: Iterable[bytes], height: int) -> bytes:
    """Return baseline JPEG files, of which each is a strip of one picture, as one file.

    A restart marker resets the decoder, so the data of the strips can follow each other.

    Args:
        strips: files from top to bottom with a restart marker after each row of 16 x 16 pixels, and with the
            same tables. Each but the last has STRIP_ROWS rows or a multiple.
        height: rows of the whole picture.
    """
    parts: list[bytes] = []
    for strip in strips:
        scan = _find(strip, _SCAN)
        scan += 2 + int.from_bytes(strip[scan + 2 : scan + 4], "big")  # behind its header
        if not parts:
            frame = _find(strip, _FRAME)
            size = struct.pack(">H", height)
            parts.append(strip[: frame + _HEIGHT_OFFSET] + size + strip[frame + _HEIGHT_OFFSET + 2 : scan])
        else:
            parts.append(_LAST_RESTART)
        parts.append(strip[scan : -len(_END)])
    return b"".join((*parts, _END))


def _find(jpeg: bytes, marker: bytes) -> int:
    """Return the position of the first segment of a kind."""
    position = len(_START)
    while jpeg[position : position + 2] != marker:
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
    return position


def _segment(marker: bytes, data: bytes) -> bytes | None:
    if len(data) > MAX_SEGMENT_BYTES:
        return None
    return marker + (len(data) + 2).to_bytes(2, "big") + data
