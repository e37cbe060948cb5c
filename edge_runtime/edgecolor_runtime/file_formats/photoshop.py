"""Photoshop's image resources, in which JPEG, TIFF and PNG files hold their IPTC block.

Source: Adobe Photoshop File Formats Specification, "Image Resource Blocks".
"""

from __future__ import annotations

import struct

IPTC_RESOURCE = 0x0404
"""Number of the resource that holds the IPTC block."""

_HEAD = struct.Struct(">4sH")
_SIGNATURE = b"8BIM"


def find_iptc(resources: bytes) -> bytes | None:
    """Return the IPTC block among Photoshop's resources."""
    position = 0
    while position + 12 <= len(resources):
        signature, number = _HEAD.unpack_from(resources, position)
        if signature != _SIGNATURE:
            return None
        position += 6 + (resources[position + 6] + 2) // 2 * 2  # a name of even length with its length byte
        if position + 4 > len(resources):
            return None
        size = int.from_bytes(resources[position : position + 4], "big")
        if number == IPTC_RESOURCE:
            return resources[position + 4 : position + 4 + size] or None
        position += 4 + size + size % 2
    return None


def pack_iptc(iptc: bytes) -> bytes:
    """Return an IPTC block as a Photoshop resource, the form in JPEG and PNG files."""
    head = _HEAD.pack(_SIGNATURE, IPTC_RESOURCE) + b"\0\0"  # without a name
    return head + struct.pack(">L", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
