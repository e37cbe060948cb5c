"""Read the chain of directories of a TIFF file, with the directories below them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from edgecolor_runtime.file_formats.tiff_directory import DirectoryReader
from edgecolor_runtime.file_formats.tiff_pages import SUB_DIRECTORIES, Directory

_INTEGER_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MAX_DIRECTORIES = 10_000
_MAX_DEPTH = 4  # of directories below each other
_NO_DIRECTORY = "its end is missing, and with it the directory of the picture"


class TiffDamageError(ValueError):
    """The structure of a TIFF file is damaged or cut off."""


def read_directories(file: IO[bytes]) -> tuple[Directory, ...]:
    """Read the chain of directories of a TIFF file, with those below them.

    A chain that is damaged after its first directory ends there.

    Raises:
        TiffDamageError: the first directory is damaged or lies behind the end of the file.
    """
    return tuple(_Chain(file).directories())


class _Chain:
    def __init__(self, file: IO[bytes]) -> None:
        self._visited: set[int] = set()
        try:
            self._reader = DirectoryReader(file)
        except (KeyError, ValueError, struct.error) as error:
            raise TiffDamageError(_NO_DIRECTORY) from error

    def directories(self) -> Iterator[Directory]:
        try:
            directory, following = self._directory(self._reader.first)
        except (ValueError, struct.error) as error:
            raise TiffDamageError(_NO_DIRECTORY) from error
        while following and following not in self._visited and len(self._visited) < _MAX_DIRECTORIES:
            try:
                successor, offset = self._directory(following)
            except (ValueError, struct.error):
                yield replace(directory, breaks_off=True)
                return
            yield directory
            directory, following = successor, offset
        yield directory

    def _directory(self, offset: int, depth: int = 0) -> tuple[Directory, int]:
        self._visited.add(offset)
        table, following = self._reader.table(offset)
        tags: dict[int, tuple[int, ...]] = {}
        for tag, kind, count, inline in table:
            if tag not in tags and (values := self._integers(kind, count, inline)):
                tags[tag] = values
        children = tuple(self._children(tags, depth + 1)) if depth < _MAX_DEPTH else ()
        directory = Directory(offset, self._reader.order, self._reader.big, tags=tags, children=children)
        return directory, following

    def _integers(self, kind: int, count: int, inline: bytes) -> tuple[int, ...]:
        letter = _INTEGER_TYPES.get(kind)
        data = self._reader.value(kind, count, inline) if letter else None
        return struct.unpack(f"{self._reader.order}{count}{letter}", data) if data else ()

    def _children(self, tags: dict[int, tuple[int, ...]], depth: int) -> Iterator[Directory]:
        for offset in tags.get(SUB_DIRECTORIES, ()):
            if offset and offset not in self._visited and len(self._visited) < _MAX_DIRECTORIES:
                try:
                    yield self._directory(offset, depth)[0]
                except (ValueError, struct.error):
                    continue
