"""The manifest of an output folder: one line of JSON for each picture, so that a run can be resumed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecolor.batch.plan import ColoringOptions, PictureJob, PictureResult
from edgecolor_runtime.errors import DataError, EdgecolorError, UsageError
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import remove_temporaries

MANIFEST_NAME = "manifest.jsonl"
"""Name of the file in the folder of results. A later line about a result replaces an earlier line.

source      absolute path of the picture
result      path of the result below this folder
status      "done" or "failed"
reason      why the picture failed
size        width and height in pixels
notes       what a user should know, one sentence each
modified    time of the picture's last change before it was read, in ns since 1970
stored      size of the result in bytes
model       SHA-256 of the network
saturation, quality, delegate    how the picture was colored
"""

_SYNC_SECONDS = 1.0  # between two writes to the disk; a power cut loses at most these results
_SETTINGS = ("model", "saturation", "quality", "delegate")


@dataclass(frozen=True, slots=True)
class _ColoredBefore:
    """What is kept in memory about a result of the manifest; there may be a million of them."""

    source: str
    modified: int
    stored: int
    size: tuple[int, int]
    notes: tuple[str, ...]
    changed_settings: tuple[str, ...]  # names of the settings that differ from those of this run


class Manifest:
    """The manifest of an output folder, locked for one run.

    Each line is handed to the operating system before the next picture's: a killed process loses no line.

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
        self._settings = dict(
            zip(_SETTINGS, (model.sha256, gain, options.quality, options.delegate), strict=True)
        )
        self._force = options.force
        self._before: dict[str, _ColoredBefore] = {}
        self._synced = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)  # closing a buffered file could fail a second time
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        if sys.platform == "win32":  # Windows has no flock
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EdgecolorError(
                f"{self.path}: another run works in this folder; wait until it has ended"
            ) from None
        except OSError:
            pass  # a file system without locks: the user must not start two runs

    def _read(self) -> None:
        size = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):  # cut off by a power cut or a full disk
                    self._file.truncate(size)
                    break
                size += len(line)
                try:
                    self._take_entry(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError):
                    raise DataError(
                        f"{self.path}: line {number} was not written by edgecolor; move the file away, "
                        "or choose another -o"
                    ) from None

    def _take_entry(self, entry: Any) -> None:
        self._before.pop(entry["result"], None)
        if entry["status"] == "done":
            width, height = entry["size"]
            self._before[entry["result"]] = _ColoredBefore(
                source=entry["source"],
                modified=entry["modified"],
                stored=entry["stored"],
                size=(width, height),
                notes=tuple(entry["notes"]),
                changed_settings=tuple(name for name in _SETTINGS if entry[name] != self._settings[name]),
            )

    def colored_before(self, jobs: Sequence[PictureJob]) -> dict[PictureJob, PictureResult]:
        """Return the results of an earlier run that are still valid.

        A result is valid if the picture, the model and the settings are the same and the result still exists.
        Half-written files of a killed run are removed.

        Raises:
            UsageError: a result was colored with other settings, and this run may not replace it.
        """
        for folder in {job.target.parent for job in jobs}:
            remove_temporaries(folder)
        results = {}
        for job in jobs:
            before = self._before.get(self._result_name(job))
            if before is None:
                continue
            result, source = _stat(job.target), _stat(job.source)
            if result is None or result.st_size != before.stored:
                continue
            if before.changed_settings and not self._force:
                raise UsageError(
                    f"{self.path.parent} was colored with another {', '.join(before.changed_settings)}; "
                    "name another folder with -o, or replace the results with --force"
                )
            same_picture = (
                before.source == str(job.source.absolute())
                and source is not None
                and source.st_mtime_ns == before.modified
            )
            if same_picture and not before.changed_settings:
                results[job] = PictureResult(
                    job,
                    size=before.size,
                    notes=before.notes,
                    modified=before.modified,
                    stored=before.stored,
                )
        return results

    def append(self, result: PictureResult) -> None:
        """Write the line of one picture.

        Raises:
            EdgecolorError: the line cannot be written.
        """
        entry: dict[str, Any] = {
            "source": str(result.job.source.absolute()),
            "result": self._result_name(result.job),
        }
        if result.error is None:
            entry |= {
                "status": "done",
                "size": result.size,
                "notes": result.notes,
                "modified": result.modified,
                "stored": result.stored,
            }
        else:
            entry |= {"status": "failed", "reason": str(result.error)}
        try:
            line = json.dumps(entry | self._settings).encode() + b"\n"
            while line:
                line = line[self._file.write(line) :]
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise EdgecolorError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _result_name(self, job: PictureJob) -> str:
        return job.target.relative_to(self._folder).as_posix()

    def __enter__(self) -> Manifest:
        """Return the manifest, which is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and release the lock."""
        with self._file:
            self._sync()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
