"""Decompress the strips and tiles of a TIFF picture to bytes, a part at a time.

Pillow has no modes for most layouts of samples, and its handling of orientation has changed between versions.
Therefore it decompresses bytes only: a strip becomes an 8-bit TIFF of its own, as wide as a row has bytes.
Compressions that depend on the kind of samples (JPEG, fax) are decoded as Pillow images.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import TiffImagePlugin

if TYPE_CHECKING:
    from edgecolor_runtime.colors.spaces import U8

UNCOMPRESSED = 1  # values of the tag Compression
_LZW = 5
_DEFLATES = (8, 32946)
_PACK_BITS = 32773
_LZMA = 34925
_ZSTD = 50000
BYTE_COMPRESSIONS = frozenset((UNCOMPRESSED, _LZW, *_DEFLATES, _PACK_BITS, _LZMA, _ZSTD))
"""Compressions of bytes, whatever the bytes mean."""

GROUP_BYTES = 4_000_000
"""Decompressed bytes of the strips that are decoded at a time, if they are smaller."""

_LONG = 4  # type of values
_STEP_BYTES = 64  # of damaged data that are decompressed at a time
_ZLIB_HEADER_BYTES = 2
_ERRORS = (zlib.error, lzma.LZMAError, EOFError)
_REVERSED_BITS = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[
    :, 0
]


@dataclass(frozen=True)
class Block:
    """One strip or tile, decompressed.

    Attributes:
        plane: number of the plane; 0 if the samples of a pixel lie together.
        left: column of its first pixel.
        top: row of its first pixel.
        rows: its bytes, uint8 (rows, bytes per row). Rows that are missing at the end are left out.
        whole: whether its data are complete and, as far as the compression can tell, undamaged.
    """

    plane: int
    left: int
    top: int
    rows: U8
    whole: bool


@dataclass(frozen=True)
class Layout:
    """How the blocks of a picture lie in the file.

    Attributes:
        rows: height of the picture in pixels.
        compression: one of BYTE_COMPRESSIONS.
        tiled: whether a block at the edge is as large as the others.
        reversed_bits: whether the lowest bit of a byte is the first.
        width: of a block in pixels.
        height: of a block in pixels.
        across: blocks side by side.
        down: blocks below each other.
        planes: separate planes of samples.
        row_bytes: bytes of a row of a block.
        offsets: place of each block in the file.
        lengths: compressed bytes of each block.
    """

    rows: int
    compression: int
    tiled: bool
    reversed_bits: bool
    width: int
    height: int
    across: int
    down: int
    planes: int
    row_bytes: int
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]


def read_blocks(file: IO[bytes], layout: Layout, *, salvage: bool) -> Iterator[Block]:
    """Yield the strips or tiles of a picture in the order of the file's list, decompressed.

    Args:
        file: the TIFF file.
        layout: where the blocks lie.
        salvage: decompress damaged blocks as far as possible. libtiff prints a line at each trial.

    Raises:
        OSError: the file cannot be read, or Pillow lacks the decompression.
    """
    decompress = _Decompressor(file, layout, salvage)
    for start, stop in _groups(layout):
        for number, (rows, whole) in zip(range(start, stop), decompress.group(start, stop), strict=True):
            plane, place = divmod(number, layout.across * layout.down)
            down, across = divmod(place, layout.across)
            left, top = across * layout.width, down * layout.height
            yield Block(plane, left, top, rows=rows, whole=whole)


def _groups(layout: Layout) -> Iterator[tuple[int, int]]:
    total = layout.across * layout.down * layout.planes
    step = max(1, GROUP_BYTES // (layout.row_bytes * layout.height))
    per_plane = layout.across * layout.down
    for plane in range(layout.planes):
        for start in range(plane * per_plane, (plane + 1) * per_plane, step):
            yield start, min(start + step, (plane + 1) * per_plane, total)


class _Decompressor:
    def __init__(self, file: IO[bytes], layout: Layout, salvage: bool) -> None:
        self._file, self._layout, self._compression = file, layout, layout.compression
        self._salvage = salvage
        self._length = file.seek(0, io.SEEK_END)

    def group(self, start: int, stop: int) -> Iterator[tuple[U8, bool]]:
        """Yield the rows of some consecutive blocks of one plane, and whether each is whole."""
        parts = [self._compressed(number) for number in range(start, stop)]
        heights = [self._rows_of(number) for number in range(start, stop)]
        if self._compression in (UNCOMPRESSED, _LZMA, *_DEFLATES):
            for part, rows in zip(parts, heights, strict=True):
                yield self._decompress(part, rows)
            return
        whole = self._through_libtiff(parts, sum(heights))
        if whole is not None:
            yield from ((rows, True) for rows in np.split(whole, np.cumsum(heights)[:-1]))
            return
        for part, rows in zip(parts, heights, strict=True):  # one of them is damaged
            decoded = self._longest_decoded(part, rows)
            yield decoded, len(decoded) == rows

    def _compressed(self, number: int) -> bytes:
        offset, length = self._layout.offsets[number], self._layout.lengths[number]
        if self._compression == UNCOMPRESSED:
            length = self._rows_of(number) * self._layout.row_bytes  # some writers store a wrong length
        self._file.seek(min(offset, self._length))
        part = self._file.read(max(0, min(length, self._length - offset)))
        if self._layout.reversed_bits:
            part = _REVERSED_BITS[np.frombuffer(part, np.uint8)].tobytes()
        return part

    def _rows_of(self, number: int) -> int:
        if self._layout.tiled:
            return self._layout.height
        down = number % (self._layout.across * self._layout.down) // self._layout.across
        return min(self._layout.height, self._layout.rows - down * self._layout.height)

    def _decompress(self, part: bytes, rows: int) -> tuple[U8, bool]:
        length = rows * self._layout.row_bytes
        if self._compression == UNCOMPRESSED:
            data, whole = part, len(part) == length
        else:
            data, whole = inflate(part, length, use_lzma=self._compression == _LZMA)
        full_rows = len(data) // self._layout.row_bytes
        array = np.frombuffer(data, np.uint8, full_rows * self._layout.row_bytes)
        return array.reshape(full_rows, self._layout.row_bytes), whole

    def _longest_decoded(self, part: bytes, rows: int) -> U8:
        """Return the rows of a damaged block that can be decompressed, by bisection."""
        best, low = np.empty((0, self._layout.row_bytes), np.uint8), 0
        high = rows if self._salvage else 0
        while low < high:
            middle = (low + high + 1) // 2
            decoded = self._through_libtiff([part], middle)
            if decoded is None:
                high = middle - 1
            else:
                best, low = decoded, middle
        return best

    def _through_libtiff(self, parts: list[bytes], rows: int) -> U8 | None:
        """Decompress consecutive blocks as one 8-bit picture; None if libtiff cannot."""
        if not all(parts):
            return None
        file = _byte_tiff(parts, self._layout, rows)
        try:
            with TiffImagePlugin.TiffImageFile(io.BytesIO(file)) as image:
                image.load()
                return np.asarray(image)
        except (OSError, ValueError, SyntaxError) as error:
            if "decoder libtiff not available" in str(error):
                raise OSError("this Pillow was built without libtiff and reads no compressed TIFF") from error
            return None


def _byte_tiff(parts: list[bytes], layout: Layout, rows: int) -> bytes:
    """Return a TIFF of 8-bit gray whose strips are these parts and whose pixels are their bytes."""
    starts = np.cumsum([8, *map(len, parts)])
    end = int(starts[-1]) + int(starts[-1]) % 2
    count = len(parts)
    table = end + 2 + 9 * 12 + 4  # where lists longer than a field lie
    offsets = struct.pack(f"<{count}I", *starts[:-1].tolist())
    lengths = struct.pack(f"<{count}I", *map(len, parts))
    entries = (  # tag, type, number of values, value or place of the values
        (256, _LONG, 1, layout.row_bytes),  # width
        (257, _LONG, 1, rows),
        (258, _LONG, 1, 8),  # bits
        (259, _LONG, 1, layout.compression),
        (262, _LONG, 1, 1),  # black is zero
        (273, _LONG, count, table if count > 1 else 8),  # offsets of the strips
        (277, _LONG, 1, 1),  # samples per pixel
        (278, _LONG, 1, layout.height),  # rows of a strip
        (279, _LONG, count, table + 4 * count if count > 1 else len(parts[0])),  # lengths of the strips
    )
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    body = b"".join(parts).ljust(end - 8, b"\0")
    head = b"II*\0" + struct.pack("<I", end)
    return head + body + struct.pack("<H", len(entries)) + directory + bytes(4) + offsets + lengths


def inflate(data: bytes, length: int, *, use_lzma: bool = False) -> tuple[bytes, bool]:
    """Decompress data.

    Args:
        data: the compressed data.
        length: number of bytes that are expected, at least 1.
        use_lzma: whether the data are compressed with LZMA instead of zlib.

    Returns:
        Up to `length` bytes; and whether the data are complete and their checksum is right, as far as it was
        reached.
    """
    try:
        decompressed = _start(use_lzma).decompress(data, length)
        if len(decompressed) == length:
            return decompressed, True
    except _ERRORS:
        pass
    return _inflate_to_damage(data, length, use_lzma), False


def _start(use_lzma: bool) -> zlib._Decompress | lzma.LZMADecompressor:
    return lzma.LZMADecompressor() if use_lzma else zlib.decompressobj()


def _inflate_to_damage(data: bytes, length: int, use_lzma: bool) -> bytes:
    # Without zlib's header there is no checksum at the end, which would discard the last bytes.
    decompressor = lzma.LZMADecompressor() if use_lzma else zlib.decompressobj(-zlib.MAX_WBITS)
    pieces, missing = [], length
    for start in range(0 if use_lzma else _ZLIB_HEADER_BYTES, len(data), _STEP_BYTES):
        try:
            piece = decompressor.decompress(data[start : start + _STEP_BYTES], missing)
        except _ERRORS:
            break
        pieces.append(piece)
        missing -= len(piece)
        if missing <= 0:
            break
    return b"".join(pieces)
