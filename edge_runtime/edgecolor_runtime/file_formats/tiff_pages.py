"""The directories of a TIFF file, and which of them are pages, thumbnails or raw sensor data.

A directory (IFD) describes one picture by tags. A file has a chain of directories, and each directory may
have further ones below it (SubIFDs). Cameras and scanners put a thumbnail first or below. Source: TIFF 6.0,
TIFF technical note 1 (SubIFDs), TIFF/EP, Adobe's DNG 1.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

# Tags
NEW_SUBFILE_TYPE = 254
SUBFILE_TYPE = 255
WIDTH = 256
HEIGHT = 257
BITS = 258
COMPRESSION = 259
PHOTOMETRIC = 262
FILL_ORDER = 266
STRIP_OFFSETS = 273
ORIENTATION = 274
SAMPLES_PER_PIXEL = 277
ROWS_PER_STRIP = 278
STRIP_BYTES = 279
PLANAR = 284
PREDICTOR = 317
COLOR_MAP = 320
TILE_WIDTH = 322
TILE_HEIGHT = 323
TILE_OFFSETS = 324
TILE_BYTES = 325
SUB_DIRECTORIES = 330
INK_SET = 332
EXTRA_SAMPLES = 338
SAMPLE_FORMAT = 339
THUMBNAIL_OFFSET = 513  # of an old JPEG stream

# Values of PHOTOMETRIC
WHITE_IS_ZERO = 0
BLACK_IS_ZERO = 1
RGB = 2
PALETTE = 3
TRANSPARENCY_MASK = 4
CMYK = 5
_RAW_PHOTOMETRICS = frozenset((32803, 34892))  # color filter array, linear raw
_RAW_COMPRESSIONS = frozenset((32767, 32769, 32770, 34713, 65000, 65535))  # Sony, Epson, Samsung, Nikon, ...

_OLD_JPEG = 6  # value of COMPRESSION
_REDUCED = 1  # bits of NEW_SUBFILE_TYPE
_MASK = 4
_OLD_REDUCED = 2  # value of SUBFILE_TYPE
_MAX_THUMBNAIL_SIDE = 320  # pixels
_MIN_THUMBNAIL_REDUCTION = 2.5


@dataclass(frozen=True)
class Directory:
    """One directory of a TIFF file.

    Attributes:
        offset: its place in the file.
        order: byte order of the file: "<" or ">".
        big: whether the file is a BigTIFF.
        tags: number of a tag -> its values, for the tags with integers.
        children: the directories below it.
        breaks_off: whether the file names a directory after it that cannot be read.
    """

    offset: int
    order: str
    big: bool
    tags: dict[int, tuple[int, ...]]
    children: tuple[Directory, ...] = ()
    breaks_off: bool = False

    def value(self, tag: int, default: int = 0) -> int:
        """Return the first value of a tag."""
        values = self.tags.get(tag)
        return values[0] if values else default

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.value(WIDTH), self.value(HEIGHT)

    @property
    def is_reduced(self) -> bool:
        """Whether the file marks it as a reduced version or as the mask of another picture."""
        return bool(self.value(NEW_SUBFILE_TYPE) & (_REDUCED | _MASK)) or (
            NEW_SUBFILE_TYPE not in self.tags and self.value(SUBFILE_TYPE) == _OLD_REDUCED
        )

    @property
    def is_raw(self) -> bool:
        """Whether it holds the values of a camera's sensor before development."""
        return self.value(PHOTOMETRIC) in _RAW_PHOTOMETRICS or self.value(COMPRESSION) in _RAW_COMPRESSIONS

    @cached_property
    def family(self) -> tuple[Directory, ...]:
        """The directory and all below it."""
        return (self, *(below for child in self.children for below in child.family))


def is_tiff(head: bytes) -> bool:
    """Return whether the first 4 bytes of a file are those of a TIFF or a BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def find_pages(directories: tuple[Directory, ...]) -> list[Directory]:
    """Return the pictures of a file in their order, without thumbnails, masks and other reduced versions.

    A thumbnail that has the picture itself below it, as in a DNG, stands for that picture. A file that marks
    all of its pictures as reduced gives the largest one.
    """
    pages = []
    for directory in directories:
        if not directory.is_reduced and directory.size != (0, 0):
            pages.append(directory)
        else:
            below = [entry for entry in directory.family[1:] if not entry.is_reduced]
            pages += sorted(below, key=_area)[-1:]
    if not pages:
        every = [entry for directory in directories for entry in directory.family]
        return sorted(every, key=_area)[-1:]
    largest = max(pages, key=_area)
    return [page for page in pages if not _is_thumbnail_of(page, largest, len(pages))]


def find_raw(directories: tuple[Directory, ...]) -> bool:
    """Return whether a file holds the values of a camera's sensor."""
    return any(entry.is_raw for directory in directories for entry in directory.family)


def find_cut_parts(page: Directory, length: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return left, top, right and bottom of the strips or tiles that lie behind the end of their file.

    Args:
        page: the picture.
        length: bytes of the file.
    """
    (width, height), tiled = page.size, TILE_WIDTH in page.tags
    across = page.value(TILE_WIDTH) if tiled else width
    down = page.value(TILE_HEIGHT) if tiled else min(page.value(ROWS_PER_STRIP, height), height)
    offsets = page.tags.get(TILE_OFFSETS if tiled else STRIP_OFFSETS, ())
    lengths = page.tags.get(TILE_BYTES if tiled else STRIP_BYTES, ())
    if not across or not down:
        return ()
    columns, rows = -(-width // across), -(-height // down)
    parts = []
    for number, (offset, size) in enumerate(zip(offsets, lengths, strict=False)):
        if offset + size > length:
            row, column = divmod(number % (columns * rows), columns)
            left, top = column * across, row * down
            parts.append((left, top, min(left + across, width), min(top + down, height)))
    return tuple(dict.fromkeys(parts))


def _area(directory: Directory) -> int:
    width, height = directory.size
    return width * height


def _is_thumbnail_of(page: Directory, other: Directory, pages: int) -> bool:
    """Return whether a page is a thumbnail that its file does not mark: EXIF's, or one of two pages."""
    (width, height), (full_width, full_height) = page.size, other.size
    if page is other or not width or not height:
        return page is not other
    reduction = min(full_width / width, full_height / height)
    if reduction < _MIN_THUMBNAIL_REDUCTION or max(width, height) > _MAX_THUMBNAIL_SIDE:
        return False
    if page.value(COMPRESSION) == _OLD_JPEG and THUMBNAIL_OFFSET in page.tags:
        return True
    same_shape = abs(full_width * height - full_height * width) <= max(full_width, full_height)
    return pages == 2 and same_shape
