"""Write PNG files in strips: RGB or RGBA of 8 or 16 bits, with any text. Pillow writes no 16-bit colors.

Source: PNG specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from edgecolor_runtime.colors.spaces import U8, U16
from edgecolor_runtime.file_formats.photoshop import pack_iptc

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPE = {3: 2, 4: 6}  # number of channels -> RGB, RGBA
_UP = 2  # filter: the difference from the pixel above
_LEVEL = 3  # of zlib, 1 to 9; 6 takes three times as long for files that are 5 % smaller
_METERS_PER_INCH = 0.0254
_METER = 1  # unit of pHYs


def encode_png(strips: Iterable[U8 | U16], size: tuple[int, int], chunks: Iterable[bytes] = ()) -> bytes:
    """Return a PNG file.

    Args:
        strips: pixels from top to bottom, shape (rows, width, 3 or 4).
        size: width and height.
        chunks: whole chunks between the header and the pixels.
    """
    buffer = io.BytesIO()
    buffer.write(_SIGNATURE)
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    above: U8 | None = None
    for strip in strips:
        if above is None:
            header = struct.pack(">2L2B3x", *size, strip.itemsize * 8, _COLOR_TYPE[strip.shape[2]])
            buffer.write(chunk(b"IHDR", header))
            buffer.writelines(chunks)
        filtered, above = _filter(strip, above)
        buffer.writelines(_data_chunks(compressor.compress(filtered)))
    buffer.writelines(_data_chunks(compressor.flush()))
    buffer.write(chunk(b"IEND", b""))
    return buffer.getvalue()


def _data_chunks(data: bytes) -> Iterator[bytes]:
    if data:
        yield chunk(b"IDAT", data)


def _filter(strip: U8 | U16, above: U8 | None) -> tuple[bytes, U8]:
    """Return the filtered rows of a strip, each with the number of its filter, and its last row."""
    rows = len(strip)
    samples: U8 = strip.astype(strip.dtype.newbyteorder(">"), copy=False).reshape(rows, -1).view(np.uint8)
    filtered = np.empty((rows, 1 + samples.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = samples[0] if above is None else samples[0] - above
    np.subtract(samples[1:], samples[:-1], out=filtered[1:, 1:])
    return filtered.tobytes(), samples[-1].copy()


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk: its length, kind, data and checksum."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(data, zlib.crc32(kind)))


def icc_chunk(profile: bytes) -> bytes:
    """Return the chunk of an ICC profile."""
    return chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))


def resolution_chunk(dpi: tuple[float, float]) -> bytes:
    """Return the chunk of a resolution in pixels per inch."""
    return chunk(b"pHYs", struct.pack(">2LB", *(round(value / _METERS_PER_INCH) for value in dpi), _METER))


def exif_chunk(exif: bytes) -> bytes:
    """Return the chunk of an EXIF block, which begins with "Exif"."""
    return chunk(b"eXIf", exif[6:])


def xmp_chunk(packet: bytes) -> bytes:
    """Return the chunk of an XMP packet."""
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)


def iptc_chunk(iptc: bytes) -> bytes:
    """Return an IPTC block as ImageMagick and ExifTool store it: hexadecimal digits in a compressed text."""
    data = pack_iptc(iptc)
    text = f"\niptc\n{len(data):8}\n{data.hex()}\n"
    return chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text.encode("ascii")))


def text_chunk(keyword: str, text: str) -> bytes:
    """Return the chunk of a text: Latin-1 if its letters allow it, else UTF-8."""
    try:
        return chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        name = keyword.encode("latin-1", "replace")
        return chunk(b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))
