"""ICC profiles: convert the pixels of a picture to sRGB, as a color-managed viewer does.

LittleCMS, a part of Pillow, converts pixels of 8 bits. Pillow passes it no 16-bit gray. For such pixels
the tone curve of a gray profile is read here.

Source: ICC.1:2022, sections 7.2 (header), 10.6 and 10.18 (curves).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from edgecolor_runtime.colors.spaces import U16, lightness_to_linear, linear_to_srgb

_F64 = NDArray[np.float64]

_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}
"""Pillow's mode -> color space in the header of a profile that fits it."""

_PROBE_STEP = 15  # between the levels of the colors on which a profile is compared with sRGB
_SAME_LEVEL = 1  # largest difference of a profile that counts as sRGB
_MAX_16_BIT = 65535
_STEPS_PER_BYTE = 257  # 65535 / 255

BROKEN = "its color profile is damaged and was ignored"


@dataclass(frozen=True)
class ConvertedPixels:
    """Pixels in sRGB.

    Attributes:
        image: the pixels, mode L or RGB.
        icc: ICC profile of RGB that belongs to them; None if the source has none that fits.
        deep: the pixels of a gray picture with 16 bits, if the source has them.
        notes: what was ignored, one sentence each.
    """

    image: Image.Image
    icc: bytes | None = None
    deep: U16 | None = None
    notes: tuple[str, ...] = ()


def to_srgb(image: Image.Image, icc: object, deep: U16 | None = None) -> ConvertedPixels:
    """Convert an image to sRGB by the profile of its file.

    Args:
        image: image of mode L, RGB, CMYK or LAB. The image may be changed.
        icc: ICC profile, or anything else for none.
        deep: the luma of the image with 16 bits. That of RGB is kept only if its colors are those of sRGB.
    """
    if image.mode == "LAB":
        icc = _LAB
    plain = image if image.mode in ("L", "RGB", "LAB") else image.convert("RGB")
    if not isinstance(icc, bytes) or not icc:
        return ConvertedPixels(plain, deep=deep)
    try:
        if icc[16:20] != _SPACES[image.mode]:
            return _keep_srgb(plain, icc, deep)
        return _convert(image, icc, deep)
    except (ImageCms.PyCMSError, OSError, ValueError, struct.error):
        return ConvertedPixels(plain, deep=deep, notes=(BROKEN,))


def _keep_srgb(image: Image.Image, icc: bytes, deep: U16 | None) -> ConvertedPixels:
    """Return pixels whose profile is for other pixels. Gray pixels with a profile of sRGB keep it."""
    if image.mode == "L" and icc[16:20] == b"RGB " and _is_srgb(icc):
        return ConvertedPixels(image, icc, deep)
    space = icc[16:20].decode("ascii", "replace").strip()
    mode = "gray" if image.mode == "L" else "color"
    note = f"its color profile is for {space}, not for {mode} pixels, and was ignored"
    return ConvertedPixels(image, deep=deep, notes=(note,))


def _gray_to_srgb(image: Image.Image, icc: bytes, deep: U16 | None) -> ConvertedPixels:
    _build(icc, "L")  # LittleCMS verifies the profile
    if deep is not None:
        deep = _gray_curve(icc, b"kTRC")[deep]
        rounded = ((np.arange(_MAX_16_BIT + 1) + 128) // _STEPS_PER_BYTE).astype(np.uint8)
        return ConvertedPixels(Image.fromarray(rounded[deep]), SRGB, deep)
    return ConvertedPixels(image.point(_gray_table(icc)), SRGB)


def _convert(image: Image.Image, icc: bytes, deep: U16 | None) -> ConvertedPixels:
    """Convert pixels by a profile that fits them."""
    if image.mode == "L":
        return _gray_to_srgb(image, icc, deep)
    if image.mode == "RGB" and _is_srgb(icc):
        return ConvertedPixels(image, icc, deep)
    in_place = image.mode == "RGB"  # saves the memory of a second picture
    converted = ImageCms.applyTransform(image, _build(icc, image.mode), inPlace=in_place) or image
    if deep is not None and image.mode == "RGB":
        deep = _refine(converted.convert("L"), _gray_curve(icc, b"rTRC")[deep])
        return ConvertedPixels(converted, SRGB, deep)
    return ConvertedPixels(converted, SRGB)


def _refine(luma: Image.Image, deep: U16) -> U16:
    """Return 16-bit luma that rounds to 8-bit luma: its own where that is near, as in a gray picture."""
    middle = np.asarray(luma).astype(np.uint16) * _STEPS_PER_BYTE
    half = _STEPS_PER_BYTE // 2
    low, high = np.maximum(middle, half) - half, np.minimum(middle, _MAX_16_BIT - half) + half
    return np.clip(deep, low, high)


@lru_cache(maxsize=8)
def _build(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """Return LittleCMS's conversion to sRGB with the perceptual intent, the default of viewers.

    LittleCMS's own profile of sRGB has version 4. With it the darkest color of a printer becomes black.

    Raises:
        PyCMSError, OSError: the profile is damaged.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


@lru_cache(maxsize=8)
def _is_srgb(icc: bytes) -> bool:
    """Return whether an RGB profile gives the colors of sRGB."""
    levels = np.arange(0, 256, _PROBE_STEP, dtype=np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
    shown = ImageCms.applyTransform(Image.fromarray(colors), _build(icc, "RGB"))
    difference = np.asarray(shown, np.int16) - colors
    return bool(np.abs(difference).max() <= _SAME_LEVEL)


@lru_cache(maxsize=8)
def _gray_table(icc: bytes) -> list[int]:
    """Return the sRGB gray of each level of an 8-bit gray with this profile."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    shown = ImageCms.applyTransform(ramp, _build(icc, "L"))
    assert shown is not None
    return [int(level) for level in np.asarray(shown.convert("L"))[0]]


@lru_cache(maxsize=2)
def _gray_curve(icc: bytes, tag: bytes) -> U16:
    """Return the sRGB gray of each level of a 16-bit gray with this profile, shape (65536,).

    Args:
        icc: a profile that LittleCMS reads.
        tag: its tone curve. A profile of RGB without one has a table of colors instead.

    Raises:
        ValueError, struct.error: the profile is damaged.
    """
    shares = np.linspace(0, 1, _MAX_16_BIT + 1)
    curve = _tag(icc, tag)
    values = _parse_curve(curve)(shares) if curve else shares
    linear = lightness_to_linear(values * 100) if icc[20:24] == b"Lab " else values
    return np.rint(linear_to_srgb(linear).astype(np.float64) * _MAX_16_BIT).astype(np.uint16)


def _tag(icc: bytes, name: bytes) -> bytes | None:
    for number in range(struct.unpack_from(">L", icc, 128)[0]):
        signature, offset, size = struct.unpack_from(">4s2L", icc, 132 + 12 * number)
        if signature == name:
            data: bytes = icc[offset : offset + size]
            return data
    return None


def _parse_curve(data: bytes) -> Callable[[_F64], _F64]:
    """Return the function of a tone curve, from [0, 1] to [0, 1]."""
    if data[:4] == b"curv":
        count = struct.unpack_from(">L", data, 8)[0]
        values = np.frombuffer(data, ">u2", count, 12).astype(np.float64)
        if count == 0:
            return lambda x: x
        if count == 1:
            return lambda x: x ** (values[0] / 256)
        return lambda x: np.interp(x, np.linspace(0, 1, count), values / _MAX_16_BIT)
    if data[:4] == b"para":
        return _parametric_curve(struct.unpack_from(">H", data, 8)[0], data[12:])
    raise ValueError("unknown kind of tone curve")


def _parametric_curve(kind: int, data: bytes) -> Callable[[_F64], _F64]:
    counts = (1, 3, 4, 5, 7)
    if kind >= len(counts):
        raise ValueError("unknown kind of tone curve")
    values = np.frombuffer(data, ">i4", counts[kind]) / 65536
    g, a, b, c, d, e, f = np.pad(values, (0, 7 - len(values)))
    if kind == 0:
        a = 1.0
    if kind in (1, 2):  # constant c below -b / a
        return lambda x: np.where(x >= -b / a, np.maximum(a * x + b, 0) ** g + c, c)
    if kind in (0, 3, 4):
        return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
    raise ValueError("unknown kind of tone curve")


def _build_srgb() -> bytes:
    """Return a profile of sRGB, ICC version 2, which every viewer reads. The same bytes on every machine.

    The colorants are those of sRGB adapted to D50 (Bradford), as in the profile of the ICC.
    """

    def xyz(x: float, y: float, z: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in (x, y, z)))

    name = b"sRGB\0"
    description = b"desc\0\0\0\0" + struct.pack(">L", len(name)) + name + bytes(78)
    levels = np.linspace(0, 1, 1024)
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    curve = b"curv\0\0\0\0" + struct.pack(">L", 1024) + np.rint(linear * _MAX_16_BIT).astype(">u2").tobytes()
    white = xyz(0.9642, 1.0, 0.8249)
    tags = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": white,
        b"rXYZ": xyz(0.43607, 0.22249, 0.01392),
        b"gXYZ": xyz(0.38515, 0.71687, 0.09708),
        b"bXYZ": xyz(0.14307, 0.06061, 0.71410),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    offsets: dict[bytes, int] = {}
    body = b""
    for data in tags.values():
        if data not in offsets:
            offsets[data] = 128 + 4 + 12 * len(tags) + len(body)
            body += data + bytes(-len(data) % 4)
    table = struct.pack(">L", len(tags)) + b"".join(
        struct.pack(">4s2L", tag, offsets[data], len(data)) for tag, data in tags.items()
    )
    head = struct.pack(">L4xL", 128 + len(table) + len(body), 0x02400000) + b"mntrRGB XYZ "
    head += struct.pack(">3H6x", 2026, 1, 1) + b"acsp"
    return head + bytes(28) + white[8:] + bytes(128 - len(head) - 28 - 12) + table + body


def _build_lab() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


SRGB = _build_srgb()
"""ICC profile of sRGB."""

_LAB = _build_lab()
