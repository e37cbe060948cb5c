"""The manifest of an output folder: one line of JSON for each picture, so that a run can be resumed.

A later line about a result replaces an earlier line. Its keys:

source      absolute path of the picture
result      path of the result below this folder
status      "done" or "failed"
reason      why the picture failed
size        width and height in pixels
notes       what a user should know, one sentence each
modified    time of the picture's last change before it was read, in ns since 1970
source_bytes, source_inode, source_sha256    the picture's size, inode and hash when it was read
hints_sha256    SHA-256 of the file of hints beside the picture; empty if there was none
stored      size of the result in bytes
sha256      SHA-256 of the result
model       SHA-256 of the network
saturation, quality, delegate, label, page, range    how the picture was colored
in_color    whether the picture is in color itself
kept        whether the result has the picture's own colors

Lines of older files lack the hashes, the size, the inode, the label, the page, the range, in_color and kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecolor.batch.plan import (
    MANIFEST_NAME,
    ColoringOptions,
    PictureJob,
    PictureResult,
    SourceState,
    hash_file,
)
from edgecolor.support.file_lock import lock_file
from edgecolor.support.json_records import JsonObject
from edgecolor_runtime.errors import DataError, EdgecolorError, UsageError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.images.hint_file import hint_path
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import flush, remove_stale
from edgecolor_runtime.system.machine import count_cores
from edgecolor_runtime.system.strict_json import parse_json

_SETTINGS = ("model", "saturation", "quality", "delegate", "label", "page", "range")
_SETTINGS_OF_OLDER_LINES = {"label": False, "page": None, "range": None}
_TYPES: dict[str, type] = {
    "source": str, "result": str, "source_bytes": int, "source_inode": int, "source_sha256": str,
    "sha256": str, "hints_sha256": str, "in_color": bool, "kept": bool,
}  # fmt: skip
"""Type of each value that need not be there, or that a failed picture has, too."""


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """What is kept in memory about a result of the manifest; there may be a million of them.

    Attributes:
        source: absolute path of the picture.
        state: the picture that was read; `size`, `inode` and `sha256` are empty in older lines.
        stored: size of the result in bytes.
        sha256: SHA-256 of the result; empty in older lines.
        size: width and height in pixels.
        notes: what a user should know, one sentence each.
        changed_settings: names of the settings that differ from those of this run.
        kept: the result has the picture's own colors.
    """

    source: str
    state: SourceState
    stored: int
    sha256: str
    size: tuple[int, int]
    notes: tuple[str, ...]
    changed_settings: tuple[str, ...]
    kept: bool = False

    def describe_damage(self, path: Path) -> str | None:
        """Return how a file differs from the recorded result; None if length and hash are the same."""
        status = _stat(path)
        if status is None:
            return "is missing"
        if status.st_size != self.stored:
            return f"has {status.st_size} bytes instead of {self.stored}"
        try:
            same = not self.sha256 or hash_file(path) == self.sha256
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        return None if same else "has other bytes than were written"

    def has_same_source(self, source: Path) -> bool:
        """Return whether a picture is the one that was colored."""
        status = _stat(source)
        if self.source != str(source.absolute()) or status is None:
            return False
        if status.st_mtime_ns != self.state.modified or self.state.hints_sha256 != _hash_hints(source):
            return False
        if not self.state.sha256:
            return True
        if status.st_size != self.state.size:
            return False
        # Another inode: replaced by another file, or on a file system that numbers its files at each mount.
        return status.st_ino == self.state.inode or hash_file(source) == self.state.sha256


@dataclass(frozen=True)
class ResumedResults:
    """What an earlier run left.

    Attributes:
        results: the results that are valid.
        replaceable: paths of results of ours that are not valid; they may be replaced.
    """

    results: dict[PictureJob, PictureResult] = field(default_factory=dict)
    replaceable: set[Path] = field(default_factory=set)


class Manifest:
    """The manifest of an output folder, locked for one run.

    A line is written only when the result is on the disk. `append` returns when the lines are on the disk.

    Args:
        folder: the folder of results; it is created.
        model: the model of this run.
        options: the options of this run.

    Raises:
        EdgecolorError: another run works in this folder, or the manifest cannot be written.
        DataError: the file exists and is not a manifest.
    """

    def __init__(self, folder: Path, model: ModelFile, options: ColoringOptions) -> None:
        self.path = folder / MANIFEST_NAME
        self._folder = folder
        gain = model.info.saturation if options.saturation is None else options.saturation
        gray_range = None if options.gray_range is None else list(options.gray_range)
        values = (
            *(model.sha256, gain, options.quality, options.delegate),
            *(options.label, options.page, gray_range),
        )
        self._settings = dict(zip(_SETTINGS, values, strict=True))
        self._force, self._recolor = options.force, options.recolor
        self._before: dict[str, RecordedResult] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)  # closing a buffered file could fail a second time
        whole = 0  # bytes of complete lines; a power cut or a full disk may leave more
        try:
            self._lock()
            for entry, end in read_entries(self.path):
                self._take_entry(entry)
                whole = end
            self._file.truncate(whole)
            flush(folder)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            lock_file(self._file, wait=False)
        except BlockingIOError:
            raise EdgecolorError(
                f"{self.path}: another run works in this folder; wait until it has ended"
            ) from None

    def _take_entry(self, entry: dict[str, Any]) -> None:
        self._before.pop(entry["result"], None)
        if entry["status"] == "done":
            self._before[entry["result"]] = recorded_result(entry, self._changed_settings(entry))

    def _changed_settings(self, entry: JsonObject) -> tuple[str, ...]:
        if entry.get("kept"):
            return ()
        changed = tuple(name for name in _SETTINGS if entry[name] != self._settings[name])
        return (*changed, "choice of --recolor") if entry.get("in_color") and not self._recolor else changed

    def colored_before(self, jobs: Sequence[PictureJob]) -> ResumedResults:
        """Return the results of an earlier run: those that are valid, and those that may be replaced.

        A result is valid if its length and hash are those of its line, and if the picture, the model and the
        settings are the same. A result of ours that is not valid may be replaced. A file without a line may
        not, nor a result that somebody has changed to another complete picture. Stale temporary files are
        removed.

        Raises:
            UsageError: a result was colored with other settings, and this run may not replace it.
        """
        names: dict[Path, list[str]] = {}
        for job in jobs:
            names.setdefault(job.target.parent, []).append(job.target.name)
        for folder, own in names.items():
            remove_stale(folder, own=own)
        resumed = ResumedResults()
        # Older versions did not flush their results: a power cut left empty files without a line.
        for job in jobs:
            if (status := _stat(job.target)) is not None and status.st_size == 0:
                resumed.replaceable.add(job.target)
        recorded = [job for job in jobs if self._result_name(job) in self._before]
        with ThreadPoolExecutor(count_cores()) as pool:
            for job, damage in zip(recorded, pool.map(self._describe_damage, recorded), strict=True):
                self._judge(job, damage, resumed)
        return resumed

    def _describe_damage(self, job: PictureJob) -> str | None:
        return self._before[self._result_name(job)].describe_damage(job.target)

    def _judge(self, job: PictureJob, damage: str | None, resumed: ResumedResults) -> None:
        before = self._before[self._result_name(job)]
        if damage is not None:
            if not _is_other_picture(job.target, before.stored):
                resumed.replaceable.add(job.target)
            return
        if before.changed_settings and not self._force:
            changed = " and another ".join(before.changed_settings)
            raise UsageError(
                f"{self.path.parent} was colored with another {changed}; "
                "name another folder with -o, or replace the results with --force"
            )
        recolored = before.kept and self._recolor
        if before.changed_settings or recolored or not before.has_same_source(job.source):
            resumed.replaceable.add(job.target)
            return
        resumed.results[job] = PictureResult(
            job,
            size=before.size,
            notes=before.notes,
            source=before.state,
            stored=before.stored,
            sha256=before.sha256,
            kept=before.kept,
        )

    def verify_present(self) -> None:
        """Raise EdgecolorError if this manifest is no longer in its folder."""
        status, ours = _stat(self.path), os.fstat(self._file.fileno())
        if status is None or (status.st_dev, status.st_ino) != (ours.st_dev, ours.st_ino):
            raise EdgecolorError(
                f"{self._folder}: the folder of results was removed or replaced while this run worked in it. "
                "Run the same command again."
            )

    def append(self, results: Sequence[PictureResult]) -> None:
        """Write the lines of pictures, and flush them to the disk.

        Raises:
            EdgecolorError: the lines cannot be written.
        """
        lines = b"".join(self._line(result) for result in results)
        try:
            while lines:
                lines = lines[self._file.write(lines) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise EdgecolorError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def _line(self, result: PictureResult) -> bytes:
        entry: dict[str, Any] = {
            "source": str(result.job.source.absolute()),
            "result": self._result_name(result.job),
        }
        if result.error is None and result.source is not None:
            entry |= {
                "status": "done",
                "size": result.size,
                "notes": result.notes,
                "modified": result.source.modified,
                "source_bytes": result.source.size,
                "source_inode": result.source.inode,
                "source_sha256": result.source.sha256,
                "hints_sha256": result.source.hints_sha256,
                "stored": result.stored,
                "sha256": result.sha256,
                "in_color": result.in_color,
                "kept": result.kept,
            }
        else:
            entry |= {"status": "failed", "reason": str(result.error)}
        return json.dumps(entry | self._settings).encode() + b"\n"

    def _result_name(self, job: PictureJob) -> str:
        return job.target.relative_to(self._folder).as_posix()

    def __enter__(self) -> Manifest:
        """Return the manifest, which is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and release the lock."""
        self._file.close()


def read_entries(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the complete lines of a manifest, each with the number of bytes up to its end.

    A power cut or a full disk may cut off the last line, or leave zero bytes there. Reading ends then.

    Raises:
        DataError: a line was not written by edgecolor.
    """
    size = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n") or b"\0" in line:
                return
            size += len(line)
            try:
                entry = _parse_line(line)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise DataError(
                    f"{path}: line {number} was not written by edgecolor; move the file away, "
                    "or choose another -o"
                ) from None
            yield entry, size


def _parse_line(line: bytes) -> JsonObject:
    """Return the object of a line.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the line was not written by edgecolor.
    """
    entry: JsonObject = parse_json(line)
    wrong = [key for key, kind in _TYPES.items() if not isinstance(entry.get(key, kind()), kind)]
    if wrong or not {"source", "result"} <= entry.keys():
        raise ValueError("wrong or missing values")
    if entry["status"] == "done":
        entry = {**_SETTINGS_OF_OLDER_LINES, **entry}
        settings = [entry[key] for key in _SETTINGS]
        result = recorded_result(entry, ())
        numbers, texts = (*result.size, entry["modified"], entry["stored"]), (*result.notes, settings[0])
        if not all(isinstance(n, int) for n in numbers) or not all(isinstance(t, str) for t in texts):
            raise TypeError("a number or a text has another type")
    return entry


def recorded_result(entry: dict[str, Any], changed_settings: tuple[str, ...]) -> RecordedResult:
    """Return what a line with the status "done" says.

    Raises:
        KeyError, TypeError, ValueError: the line was not written by edgecolor.
    """
    width, height = entry["size"]
    return RecordedResult(
        source=entry["source"],
        state=SourceState(
            entry["modified"],
            entry.get("source_bytes", 0),
            entry.get("source_inode", 0),
            entry.get("source_sha256", ""),
            hints_sha256=entry.get("hints_sha256", ""),
        ),
        stored=entry["stored"],
        sha256=entry.get("sha256", ""),
        size=(width, height),
        notes=tuple(entry["notes"]),
        changed_settings=changed_settings,
        kept=bool(entry.get("kept")),
    )


def _is_other_picture(path: Path, stored: int) -> bool:
    """Return whether a damaged result is a complete picture of another length: somebody has edited it."""
    status = _stat(path)
    if status is None or status.st_size == stored:
        return False
    try:
        with open_image(path) as image:
            image.verify()
        with open_image(path) as image:
            image.load()
    except Exception:  # Pillow raises any class of exception on a damaged file
        return False
    return True


def _hash_hints(source: Path) -> str:
    path = hint_path(source)
    try:
        return hash_file(path) if path.is_file() else ""
    except OSError:
        return "unreadable"


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
