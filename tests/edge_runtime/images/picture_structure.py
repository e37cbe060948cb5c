"""Checks of TIFF and PNG files: their structure, and what the tools that are installed say."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)  # bytes of a value of each TIFF type
_POINTERS = (0x8769, 0x8825, 0xA005)  # EXIF, GPS, interoperability


def verify_tiff(path: Path) -> None:
    """Fail if a classic TIFF file is not as TIFF 6.0 wants it, or a checker warns."""
    data = path.read_bytes()
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    version, offset = struct.unpack_from(f"{order}HL", data, 2)
    assert version == 42 and offset
    while offset:
        entries, offset = _verify_directory(data, order, offset)
        offsets, counts = entries[273], entries[279]
        rows = -(-entries[257][0] // entries[278][0])
        assert len(offsets) == len(counts) == rows
        for start, size in zip(offsets, counts, strict=True):
            assert start % 2 == 0 and start + size <= len(data)
            zlib.decompress(data[start : start + size])
    verify_with_tools(path, "tiffinfo", "-D")
    verify_with_tools(path, "identify", "-regard-warnings", "-verbose")


def _verify_directory(data: bytes, order: str, offset: int) -> tuple[dict[int, tuple[int, ...]], int]:
    assert offset % 2 == 0
    count = struct.unpack_from(f"{order}H", data, offset)[0]
    assert count, "an empty directory"
    entries: dict[int, tuple[int, ...]] = {}
    last = 0
    for number in range(count):
        position = offset + 2 + 12 * number
        tag, kind, values = struct.unpack_from(f"{order}HHL", data, position)
        assert tag > last and 0 < kind < len(_SIZES) and values, (tag, kind, values)
        last, size = tag, _SIZES[kind] * values
        start = position + 8 if size <= 4 else struct.unpack_from(f"{order}L", data, position + 8)[0]
        assert start % 2 == 0 and start + size <= len(data), tag
        if kind in (3, 4):
            letter = "H" if kind == 3 else "L"
            entries[tag] = struct.unpack_from(f"{order}{values}{letter}", data, start)
        if kind == 2:
            assert data[start + size - 1] == 0, "text ends with a zero"
        if tag in _POINTERS:
            _verify_directory(data, order, entries[tag][0])
    return entries, struct.unpack_from(f"{order}L", data, offset + 2 + 12 * count)[0]


def verify_png(path: Path) -> None:
    """Fail if the chunks of a PNG file are wrong, or a checker warns."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, names = 8, []
    while position < len(data):
        size, name = struct.unpack_from(">L4s", data, position)
        content = data[position + 4 : position + 8 + size]
        assert zlib.crc32(content) == struct.unpack_from(">L", data, position + 8 + size)[0]
        names.append(name)
        position += 12 + size
    assert position == len(data) and names[0] == b"IHDR" and names[-1] == b"IEND"
    pixels = [number for number, name in enumerate(names) if name == b"IDAT"]
    assert pixels == list(range(pixels[0], pixels[-1] + 1)), "the pixels are in consecutive chunks"
    for single in (b"iCCP", b"pHYs", b"eXIf"):
        assert names.count(single) <= 1
    verify_with_tools(path, "pngcheck", "-q")
    verify_with_tools(path, "identify", "-regard-warnings", "-verbose")


def verify_with_tools(path: Path, *command: str) -> None:
    """Run a checker on a file, if it is installed; fail if it prints a warning."""
    if shutil.which(command[0]) is None:
        return
    done = subprocess.run(
        [*command, str(path)], capture_output=True, text=True, errors="replace", check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
