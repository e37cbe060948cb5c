"""Write TIFF files in strips, with any directory entries: RGB or RGBA of 8 or 16 bits, Deflate.

Pillow's compressing TIFF writer refuses many tags of scanners and cannot write the inner directories of EXIF.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable

from edgecolor_runtime.colors.spaces import U8, U16
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats.tiff_directory import MAIN, Block, Directory, pack_directories

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _BYTE_COUNTS = 273, 277, 278, 279
_PLANAR_CONFIGURATION, _PREDICTOR, _EXTRA_SAMPLES = 284, 317, 338
_DEFLATE = 8
_RGB = 2
_CHUNKY = 1
_HORIZONTAL_DIFFERENCE = 2
_UNASSOCIATED_ALPHA = 2
_LEVEL = 3  # of zlib, 1 to 9; 6 takes three times as long for files that are 5 % smaller
_MAX_FILE_BYTES = (1 << 32) - 1


class TiffWriter:
    """A TIFF file that grows by one page at a time.

    Args:
        order: "<" for a little-endian file, ">" for a big-endian one: that of the entries of its pages.

    Attributes:
        order: the same.
    """

    def __init__(self, order: str = "<") -> None:
        self.order = order
        self._buffer = io.BytesIO()
        self._buffer.write((b"II" if order == "<" else b"MM") + struct.pack(f"{order}HL", 42, 0))
        self._link = 4  # position of the offset of the next directory

    def add_page(self, strips: Iterable[U8 | U16], size: tuple[int, int], block: Block) -> None:
        """Append a page.

        Args:
            strips: pixels from top to bottom, shape (rows, width, 3 or 4), all but the last of the same rows.
            size: width and height.
            block: other entries of the page.

        Raises:
            PictureError: the file is larger than 4 GiB, the limit of TIFF.
        """
        offsets, counts = [], []
        rows, samples, bits = 0, 0, 0
        for strip in strips:
            rows, samples, bits = rows or len(strip), strip.shape[2], strip.itemsize * 8
            data = zlib.compress(self._difference(strip), _LEVEL)
            offsets.append(self._buffer.tell())
            counts.append(len(data))
            self._buffer.write(data + b"\0" * (len(data) % 2))
        pixels = {
            _WIDTH: block.long(size[0]),
            _HEIGHT: block.long(size[1]),
            _BITS: block.short(*[bits] * samples),
            _COMPRESSION: block.short(_DEFLATE),
            _PHOTOMETRIC: block.short(_RGB),
            _OFFSETS: block.long(*offsets),
            _SAMPLES: block.short(samples),
            _ROWS_PER_STRIP: block.long(rows),
            _BYTE_COUNTS: block.long(*counts),
            _PLANAR_CONFIGURATION: block.short(_CHUNKY),
            _PREDICTOR: block.short(_HORIZONTAL_DIFFERENCE),
        }
        if samples > 3:
            pixels[_EXTRA_SAMPLES] = block.short(_UNASSOCIATED_ALPHA)
        main: Directory = {**block.directories.get(MAIN, {}), **pixels}
        self._append_directories(Block(block.order, {**block.directories, MAIN: main}))

    def _difference(self, strip: U8 | U16) -> bytes:
        """Return the bytes of a strip after the horizontal predictor, which halves the compressed size."""
        change = strip.copy()
        change[:, 1:] -= strip[:, :-1]
        return change.astype(self.order + change.dtype.str[1:], copy=False).tobytes()

    def _append_directories(self, block: Block) -> None:
        start = self._buffer.tell()
        packed = pack_directories(block, start)
        if start + len(packed) > _MAX_FILE_BYTES:
            raise PictureError("larger than 4 GiB, the limit of TIFF; use .png")
        self._buffer.write(packed)
        self._buffer.seek(self._link)
        self._buffer.write(struct.pack(f"{self.order}L", start))
        self._buffer.seek(0, io.SEEK_END)
        self._link = start + 2 + 12 * int(struct.unpack_from(f"{self.order}H", packed)[0])

    def getvalue(self) -> bytes:
        """Return the file."""
        return self._buffer.getvalue()
