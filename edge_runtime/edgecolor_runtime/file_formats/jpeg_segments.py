"""Metadata segments of JPEG files. Pillow before version 11 writes no XMP, and none writes IPTC.

Source: ITU-T T.81, annex B; EXIF 2.32, section 4.5; ICC.1:2022, annex B.4; XMP specification, part 3.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecolor_runtime.file_formats.photoshop import pack_iptc

MAX_SEGMENT_BYTES = 65_533  # after the two bytes of its length

_APP0, _APP1, _APP2, _APP13, _COM = b"\xff\xe0", b"\xff\xe1", b"\xff\xe2", b"\xff\xed", b"\xff\xfe"
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


def _segment(marker: bytes, data: bytes) -> bytes | None:
    if len(data) > MAX_SEGMENT_BYTES:
        return None
    return marker + (len(data) + 2).to_bytes(2, "big") + data
