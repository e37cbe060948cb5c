"""What became of each picture of a folder: one line of JSON each, by which an interrupted run goes on."""

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

from edgecolor.batch.plan import Job, Options, Outcome
from edgecolor_runtime.errors import DataError, EdgecolorError, UsageError
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import remove_partials

NAME = "manifest.jsonl"
"""Of the file, in the folder of the results. Later lines about a result replace earlier ones.

source      absolute path of the picture
result      path of its result, below this folder
status      "done" or "failed"
reason      why it failed
size        width and height in pixels
notes       what a user should know, one sentence each
modified    when the picture was last changed before it was read, ns since 1970
stored      bytes of the result
model       SHA-256 of the network
saturation, quality, delegate    how it was colored
"""

_SYNC_EVERY = 1.0  # s; what a power cut may take
_SETTINGS = ("model", "saturation", "quality", "delegate")


@dataclass(frozen=True, slots=True)
class _Done:
    """What the manifest keeps of a result in memory: there may be a million."""

    source: str
    modified: int
    stored: int
    size: tuple[int, int]
    notes: tuple[str, ...]
    differs: tuple[str, ...]  # names of the settings that are not those of this run


class Manifest:
    """The manifest of an output folder, locked for one run.

    Every line is with the operating system before the next one is made: a killed process loses none of them.

    Args:
        folder: Of the results; it is made.
        model: What this run colors with.
        options: How.

    Raises:
        EdgecolorError: Another run works in this folder, or it cannot be written.
        DataError: The file is there and is not a manifest.
    """

    def __init__(self, folder: Path, model: ModelFile, options: Options) -> None:
        self.path = folder / NAME
        self._folder = folder
        gain = model.info.saturation if options.saturation is None else options.saturation
        self._settings = dict(
            zip(_SETTINGS, (model.sha256, gain, options.quality, options.delegate), strict=True)
        )
        self._force = options.force
        self._done: dict[str, _Done] = {}
        self._synced = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)  # a buffer would fail a second time, when it is closed
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        if sys.platform == "win32":  # which has no flock
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EdgecolorError(f"{self.path}: another run works in this folder; wait for it") from None
        except OSError:
            pass  # a file system without locks; that two runs meet on it is the user's care

    def _read(self) -> None:
        whole = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):  # torn by a power cut or a full disk
                    self._file.truncate(whole)
                    break
                whole += len(line)
                try:
                    self._take(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError):
                    raise DataError(
                        f"{self.path}: line {number} is not edgecolor's; move the file away, "
                        "or choose another -o"
                    ) from None

    def _take(self, entry: dict[str, Any]) -> None:
        self._done.pop(entry["result"], None)
        if entry["status"] == "done":
            width, height = entry["size"]
            self._done[entry["result"]] = _Done(
                entry["source"],
                entry["modified"],
                entry["stored"],
                (width, height),
                tuple(entry["notes"]),
                tuple(name for name in _SETTINGS if entry[name] != self._settings[name]),
            )

    def done(self, jobs: Sequence[Job]) -> dict[Job, Outcome]:
        """The jobs that an earlier run did: same picture, same model and settings, the result still there.

        What a killed run left half-written is removed.

        Raises:
            UsageError: A result was colored otherwise, and this run may not replace it.
        """
        for folder in {job.target.parent for job in jobs}:
            remove_partials(folder)
        found = {}
        for job in jobs:
            known = self._done.get(self._result(job))
            if known is None:
                continue
            result, source = _stat(job.target), _stat(job.source)
            if result is None or result.st_size != known.stored:
                continue
            if known.differs and not self._force:
                raise UsageError(
                    f"{self.path.parent} was colored with another {', '.join(known.differs)}; "
                    "name another folder with -o, or replace the results with --force"
                )
            same = known.source == str(job.source.absolute())
            if not known.differs and same and source and source.st_mtime_ns == known.modified:
                found[job] = Outcome(job, known.size, known.notes, known.modified, known.stored)
        return found

    def append(self, outcome: Outcome) -> None:
        """Write the line of one picture.

        Raises:
            EdgecolorError: It cannot be written.
        """
        entry: dict[str, Any] = {
            "source": str(outcome.job.source.absolute()),
            "result": self._result(outcome.job),
        }
        if outcome.error is None:
            entry |= {
                "status": "done",
                "size": outcome.size,
                "notes": outcome.notes,
                "modified": outcome.modified,
                "stored": outcome.stored,
            }
        else:
            entry |= {"status": "failed", "reason": str(outcome.error)}
        try:
            line = json.dumps(entry | self._settings).encode() + b"\n"
            while line:
                line = line[self._file.write(line) :]
            if time.monotonic() - self._synced > _SYNC_EVERY:
                self._sync()
        except OSError as error:
            raise EdgecolorError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _result(self, job: Job) -> str:
        return job.target.relative_to(self._folder).as_posix()

    def __enter__(self) -> Manifest:
        """Nothing more: it is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, which also ends the lock."""
        with self._file:
            self._sync()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
