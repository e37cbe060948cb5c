"""Directories of TIFF files and of EXIF blocks, which have the same form. Their values stay raw bytes.

Pillow decodes every value and encodes it again, which turns a letter outside ASCII into "?". Here a value of
any type and script is copied as it is. Source: TIFF revision 6.0, section 2; BigTIFF as in libtiff.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

MAIN, EXIF, GPS, INTEROP = 0, 0x8769, 0x8825, 0xA005
"""Keys of the directories of a block: the first one, and the pointer tags of the inner ones."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
"""Types of values."""

XMP, IPTC, ICC = 700, 33723, 34675
"""Tags that hold metadata of other kinds."""

_PARENTS = {EXIF: MAIN, GPS: MAIN, INTEROP: EXIF}
_SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), BYTE))  # type -> bytes of a value
_BIG_SIZES = {16: 8, 17: 8, 18: 8}  # 64-bit integers of BigTIFF, which become LONG
_MAX_VALUE_BYTES = 1 << 26
_MAX_ENTRIES = 4096
_PREFIX = b"Exif\0\0"


@dataclass(frozen=True)
class Entry:
    """One value of a directory.

    Attributes:
        kind: TIFF's number of the type.
        count: number of values of this type.
        data: the values in the byte order of the block.
    """

    kind: int
    count: int
    data: bytes


Directory = dict[int, Entry]


@dataclass(frozen=True)
class Block:
    """The directories that describe a picture.

    Attributes:
        order: "<" for little-endian values, ">" for big-endian values.
        directories: MAIN, EXIF, GPS and INTEROP -> directory; an absent one is missing.
        damaged: number of entries that were left out, because their values lie outside the file.
    """

    order: str
    directories: Mapping[int, Directory]
    damaged: int = 0

    def short(self, *values: int) -> Entry:
        """Return an entry of 16-bit integers."""
        return Entry(SHORT, len(values), struct.pack(f"{self.order}{len(values)}H", *values))

    def long(self, *values: int) -> Entry:
        """Return an entry of 32-bit integers."""
        return Entry(LONG, len(values), struct.pack(f"{self.order}{len(values)}L", *values))

    def rational(self, value: float) -> Entry:
        """Return an entry with a positive number as a fraction."""
        denominator = 1 if value == int(value) else 10_000 if value < 400_000 else 1
        return Entry(RATIONAL, 1, struct.pack(f"{self.order}2L", round(value * denominator), denominator))

    def integer(self, entry: Entry) -> int:
        """Return the first value of an entry of integers."""
        letter = {SHORT: "H", LONG: "L", 13: "L"}[entry.kind]
        return int(struct.unpack_from(self.order + letter, entry.data)[0])


class DirectoryReader:
    """Reads the directories of one file.

    Args:
        file: the file; its position changes.
        base: position of the TIFF header in the file.

    Attributes:
        order: "<" or ">", the byte order of the file.
        big: whether the file is a BigTIFF.
        first: offset of the first directory.
        damaged: number of entries that were left out, because their values lie outside the file.

    Raises:
        ValueError, KeyError, struct.error: the file has no TIFF header.
    """

    def __init__(self, file: IO[bytes], base: int = 0) -> None:
        self._file, self._base = file, base
        self._size = file.seek(0, io.SEEK_END) - base
        head = self._read(0, 16)
        self.order = {b"II": "<", b"MM": ">"}[head[:2]]
        version = struct.unpack_from(f"{self.order}H", head, 2)[0]
        self.big = version == 43
        if version not in (42, 43):
            raise ValueError(f"version {version}")
        self._letter = "Q" if self.big else "L"
        self.first = int(struct.unpack_from(self.order + self._letter, head, 8 if self.big else 4)[0])
        self.damaged = 0

    def _read(self, offset: int, size: int) -> bytes:
        if not 0 <= offset <= self._size:
            raise ValueError(f"offset {offset} is outside of the file")
        self._file.seek(self._base + offset)
        return self._file.read(size)

    def table(self, offset: int) -> tuple[list[tuple[int, int, int, bytes]], int]:
        """Return tag, type, count and inline bytes of the entries at an offset, and the offset that follows.

        Raises:
            ValueError, struct.error: there is no directory.
        """
        head, entry_size, inline = (8, 20, 8) if self.big else (2, 12, 4)
        count_letter = "Q" if self.big else "H"
        count = struct.unpack(self.order + count_letter, self._read(offset, head))[0]
        if count > _MAX_ENTRIES:
            raise ValueError(f"{count} entries")
        table = self._read(offset + head, count * entry_size + inline)
        entries = []
        for start in range(0, min(count, len(table) // entry_size) * entry_size, entry_size):
            tag, kind, number = struct.unpack_from(f"{self.order}HH{self._letter}", table, start)
            entries.append((tag, kind, number, table[start + entry_size - inline : start + entry_size]))
        end = count * entry_size
        if len(table) < end + inline:
            return entries, 0
        return entries, int(struct.unpack_from(self.order + self._letter, table, end)[0])

    def value(self, kind: int, count: int, inline: bytes) -> bytes | None:
        """Return the bytes of an entry's values; None if they are too many or lie outside the file."""
        size = (_SIZES | _BIG_SIZES).get(kind)
        if size is None or count == 0 or size * count > _MAX_VALUE_BYTES:
            return None
        size *= count
        if size > len(inline):
            offset = int(struct.unpack(self.order + self._letter, inline)[0])
            if offset + size > self._size:
                return None
            inline = self._read(offset, size)
        return inline[:size]

    def directory(self, offset: int, unread: frozenset[int]) -> tuple[Directory, int]:
        """Return the directory at an offset, and the offset of the next one."""
        table, following = self.table(offset)
        entries: Directory = {}
        for tag, kind, number, inline in table:
            if tag in unread:
                continue
            if entry := self._entry(kind, number, inline):
                entries.setdefault(tag, entry)
            else:
                self.damaged += 1
        return entries, following

    def _entry(self, kind: int, count: int, inline: bytes) -> Entry | None:
        data = self.value(kind, count, inline)
        if data is None:
            return None
        if kind in _BIG_SIZES:
            values = struct.unpack(f"{self.order}{count}Q", data)
            return Entry(LONG, count, struct.pack(f"{self.order}{count}L", *(v & 0xFFFFFFFF for v in values)))
        return Entry(kind, count, data)


def read_block(
    file: IO[bytes], *, base: int = 0, offset: int | None = None, unread: frozenset[int] = frozenset()
) -> Block:
    """Read the directories of a TIFF file or of an EXIF block.

    Args:
        file: the file; its position changes.
        base: position of the TIFF header in the file.
        offset: position of the directory; None for the first.
        unread: tags of the first directory whose values are not needed, such as the offsets of the pixels.

    Raises:
        ValueError: the block has no readable first directory.
    """
    try:
        reader = DirectoryReader(file, base)
        directories = {MAIN: reader.directory(reader.first if offset is None else offset, unread)[0]}
    except (KeyError, struct.error) as error:
        raise ValueError(f"not a TIFF directory ({error})") from None
    pointers = Block(reader.order, {})
    for tag, parent in _PARENTS.items():
        pointer = directories.get(parent, {}).pop(tag, None)
        if pointer is None:
            continue
        try:
            directories[tag] = reader.directory(pointers.integer(pointer), frozenset())[0]
        except (KeyError, ValueError, struct.error):
            reader.damaged += 1
    return Block(reader.order, directories, reader.damaged)


def parse_block(data: bytes) -> Block:
    """Parse an EXIF block, with or without "Exif" before its TIFF header. For errors see `read_block`."""
    return read_block(io.BytesIO(data), base=len(_PREFIX) if data.startswith(_PREFIX) else 0)


def pack_block(block: Block) -> bytes:
    """Return the EXIF block of directories, with "Exif" before its TIFF header; empty if they are empty."""
    if not any(block.directories.values()):
        return b""
    mark = b"II" if block.order == "<" else b"MM"
    head = mark + struct.pack(f"{block.order}HL", 42, 8)
    return _PREFIX + head + pack_directories(block, 8)


def pack_directories(block: Block, offset: int, following: int = 0) -> bytes:
    """Return the directories as bytes that lie at an offset of a file; the first directory is at its start.

    Args:
        block: the directories. Empty inner ones are left out.
        offset: even position in the file.
        following: offset of the next page's directory, 0: none.
    """
    inner = {tag: dict(block.directories[tag]) for tag in _PARENTS if block.directories.get(tag)}
    parts: dict[int, Directory] = {MAIN: dict(block.directories.get(MAIN, {})), **inner}
    for tag in inner:  # an inner directory needs its parent
        parts.setdefault(_PARENTS[tag], {})
    positions = dict(_positions(parts, offset))
    for tag, parent in _PARENTS.items():
        if tag in parts:
            parts[parent][tag] = block.long(positions[tag])
    return b"".join(
        _pack_directory(entries, positions[key], block.order, following if key == MAIN else 0)
        for key, entries in parts.items()
    )


def _positions(parts: Mapping[int, Directory], offset: int) -> Iterator[tuple[int, int]]:
    pointers = [_PARENTS[tag] for tag in parts if tag != MAIN]
    for key, entries in parts.items():
        yield key, offset
        tags = len(entries) + pointers.count(key)
        values = sum(len(e.data) + len(e.data) % 2 for e in entries.values() if len(e.data) > 4)
        offset += 2 + 12 * tags + 4 + values


def _pack_directory(entries: Directory, offset: int, order: str, following: int) -> bytes:
    table, values = [struct.pack(f"{order}H", len(entries))], b""
    start = offset + 2 + 12 * len(entries) + 4
    for tag, entry in sorted(entries.items()):
        if len(entry.data) <= 4:
            value = entry.data.ljust(4, b"\0")
        else:
            value = struct.pack(f"{order}L", start + len(values))
            values += entry.data + b"\0" * (len(entry.data) % 2)
        table.append(struct.pack(f"{order}HHL", tag, entry.kind, entry.count) + value)
    return b"".join((*table, struct.pack(f"{order}L", following), values))
