"""ICC profiles of every kind that photographs have, made from formulas."""

from __future__ import annotations

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
SRGB_COLORANTS = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
ADOBE_COLORANTS = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO_COLORANTS = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
P3_COLORANTS = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def gamma(value: float) -> bytes:
    """Return a tone curve of one exponent."""
    return b"curv\0\0\0\0" + struct.pack(">LH", 1, round(value * 256))


def table(values: list[float]) -> bytes:
    """Return a tone curve of samples in [0, 1]."""
    samples = struct.pack(f">{len(values)}H", *(round(value * 65535) for value in values))
    return b"curv\0\0\0\0" + struct.pack(">L", len(values)) + samples


def parametric(kind: int, *values: float) -> bytes:
    """Return a tone curve of a formula of the ICC."""
    packed = struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + packed


SRGB_CURVE = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
DOT_GAIN = table([(1 - (1 - x) ** 1.3 * 0.98) * x**1.4 for x in np.linspace(0, 1, 256)])


def gray(curve: bytes, *, connection: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """Return a profile of gray."""
    return pack(b"GRAY", {b"kTRC": curve}, connection=connection, kind=kind)


def rgb(colorants: tuple[tuple[float, float, float], ...], curve: bytes) -> bytes:
    """Return a profile of RGB."""
    tags = {name + b"XYZ": xyz(color) for name, color in zip((b"r", b"g", b"b"), colorants, strict=True)}
    return pack(b"RGB ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def cmyk() -> bytes:
    """Return a profile of a printer whose inks multiply, as a table of 5 x 5 x 5 x 5 colors in Lab."""
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 5)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    c, m, y, k = grid.T
    lightness = 8 + 87 * (1 - 0.45 * c) * (1 - 0.5 * m) * (1 - 0.08 * y) * (1 - 0.95 * k)
    a = (-35 * c + 70 * m - 5 * y) * (1 - k)
    b = (-50 * c - 5 * m + 85 * y) * (1 - k)
    lab = np.stack([lightness * 2.55, a + 128, b + 128], axis=-1).clip(0, 255)
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    data = b"mft1\0\0\0\0" + bytes((4, 3, 5, 0)) + matrix + ramp * 4 + np.rint(lab).astype(np.uint8).tobytes()
    return pack(b"CMYK", {b"A2B0": data + ramp * 3}, connection=b"Lab ", kind=b"prtr")


def xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def pack(
    space: bytes, tags: dict[bytes, bytes], *, connection: bytes = b"XYZ ", kind: bytes = b"mntr"
) -> bytes:
    """Return a profile of ICC version 2."""
    name = b"made for a test\0"
    all_tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">L", len(name)) + name + bytes(78),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": xyz(D50),
        **tags,
    }
    head = 128 + 4 + 12 * len(all_tags)
    listed, body = b"", b""
    for tag, data in all_tags.items():
        listed += struct.pack(">4s2L", tag, head + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    start = struct.pack(">L4xL", head + len(body), 0x02400000) + kind + space + connection
    start += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp"
    start = start.ljust(68, b"\0") + xyz(D50)[8:]
    return start.ljust(128, b"\0") + struct.pack(">L", len(all_tags)) + listed + body
