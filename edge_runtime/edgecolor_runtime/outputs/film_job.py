"""What is done of a film: its encoded segments in a folder beside the output, and the record of them.

The record is `job.jsonl`. Its first line says which film is colored and how. Each further line claims one
segment that is complete and flushed to the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecolor_runtime.images.formats import is_picture
from edgecolor_runtime.system.files import flush
from edgecolor_runtime.system.strict_json import parse_json

FOLDER_SUFFIX = ".parts"
"""What the name of the folder adds to the name of the film."""

_RECORD = "job.jsonl"
_SEGMENT_SUFFIX = ".nut"  # FFmpeg's NUT keeps every time stamp exactly
_HASHED_BYTES = 1 << 20  # at the start and at the end of a film


@dataclass(frozen=True)
class FilmSegment:
    """A part of a film that is encoded.

    Attributes:
        name: name of its file.
        frames: number of its frames.
        last_tick: time stamp of its last frame, in ticks of the film.
        width: width of a frame in pixels, before the encoder makes it even.
        height: height of a frame in pixels.
        sha256: SHA-256 of its file.
    """

    name: str
    frames: int
    last_tick: int
    width: int
    height: int
    sha256: str


class FilmJob:
    """The segments of one film. A later run with the same identity continues after the last intact one.

    Args:
        output: the film that is written.

    Attributes:
        folder: the folder of the segments. It is made with the first segment.
        segments: the segments that are done, in order.
    """

    def __init__(self, output: Path) -> None:
        self.folder = output.with_name(output.name + FOLDER_SUFFIX)
        self.segments: list[FilmSegment] = []
        self._identity: dict[str, object] = {}

    @property
    def frames(self) -> int:
        """Number of frames that are done."""
        return sum(segment.frames for segment in self.segments)

    def read_identity(self) -> Mapping[str, object]:
        """Return the identity of the run that wrote the folder; empty if there is none."""
        lines = self._read_lines()
        return lines[0] if lines else {}

    def resume(self, identity: Mapping[str, object]) -> bool:
        """Take over the intact segments of an earlier run, and remove everything else from the folder.

        Returns:
            Whether the folder belongs to a run with another identity, whose segments are removed.
        """
        self._identity = dict(identity)
        lines = self._read_lines()
        is_other = bool(lines) and lines[0] != json.loads(json.dumps(self._identity))
        for line in [] if is_other else lines[1:]:
            segment = self._verify(line)
            if segment is None:
                break
            self.segments.append(segment)
        if self.folder.is_dir():
            kept = {segment.name for segment in self.segments}
            for entry in self.folder.iterdir():
                if entry.suffix == _SEGMENT_SUFFIX and entry.name not in kept:
                    entry.unlink()
            self._write_record()
        return is_other

    def next_file(self) -> Path:
        """Return the file of the next segment. Make the folder if it is not there."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            self._write_record()
            flush(self.folder.parent)
        return self.folder / f"{len(self.segments) + 1:06}{_SEGMENT_SUFFIX}"

    def add(self, path: Path, *, frames: int, last_tick: int, size: tuple[int, int]) -> None:
        """Flush a complete segment to the disk, then claim it in the record."""
        flush(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        segment = FilmSegment(path.name, frames, last_tick, *size, sha256=digest)
        self.segments.append(segment)
        with (self.folder / _RECORD).open("ab") as record:
            record.write(json.dumps(asdict(segment)).encode() + b"\n")
            record.flush()
            os.fsync(record.fileno())

    def files(self) -> list[Path]:
        """Return the files of the segments, in order."""
        return [self.folder / segment.name for segment in self.segments]

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read_lines(self) -> list[dict[str, object]]:
        lines: list[dict[str, object]] = []
        with suppress(OSError, ValueError):  # no record, or a line that was not written to its end
            for line in (self.folder / _RECORD).read_bytes().splitlines():
                value = parse_json(line)
                if not isinstance(value, dict):
                    break
                lines.append(value)
        return lines

    def _verify(self, line: dict[str, object]) -> FilmSegment | None:
        """Return the segment of a line of the record; None if its file is not what the line claims."""
        try:
            segment = FilmSegment(**line)  # type: ignore[arg-type]  # a wrong type fails below
            is_named = segment.name == f"{len(self.segments) + 1:06}{_SEGMENT_SUFFIX}"
            data = (self.folder / segment.name).read_bytes() if is_named else b""
        except (TypeError, OSError):
            return None
        return segment if hashlib.sha256(data).hexdigest() == segment.sha256 else None

    def _write_record(self) -> None:
        lines = [self._identity, *map(asdict, self.segments)]
        path = self.folder / _RECORD
        path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        flush(path)
        flush(self.folder)


def identify_source(path: Path) -> dict[str, object]:
    """Return what identifies a film or a folder of pictures.

    A film has its path, size, time of change, and a hash of its first and last MiB: to read a film of many GB
    at each start would take minutes. Pictures have their names, sizes and times of change.

    Raises:
        OSError: the file or the folder cannot be read.
    """
    if path.is_file():
        status = path.stat()
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(_HASHED_BYTES))
            file.seek(max(0, status.st_size - _HASHED_BYTES))
            digest.update(file.read(_HASHED_BYTES))
        return {
            "path": str(path.absolute()),
            "bytes": status.st_size,
            "modified": status.st_mtime_ns,
            "sha256_of_ends": digest.hexdigest(),
        }
    folder = path if path.is_dir() else path.parent  # a folder of pictures, or a pattern
    digest = hashlib.sha256()
    for entry in sorted(folder.iterdir()):
        if is_picture(entry):
            status = entry.stat()
            state = f"{entry.name}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(state.encode("utf-8", "surrogateescape"))
    return {"path": str(path.absolute()), "sha256_of_names": digest.hexdigest()}
