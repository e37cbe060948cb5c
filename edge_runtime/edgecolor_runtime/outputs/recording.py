"""A recording of a camera: a video file that stays playable whatever ends it.

The file has its real name from the first frame on. It is written in parts of one second, each of which is
playable as soon as it is written: fragments in MP4, clusters in Matroska. Twice per second a thread flushes
the file to the disk. After a kill or a power cut, at most two seconds are missing at the end.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.outputs.encoder import EncoderSettings, VideoEncoder, refuse_format
from edgecolor_runtime.system.files import refuse_existing

SYNC_SECONDS = 0.5
"""Time between two flushes of a recording to the disk."""

_LAST_SYNC_SECONDS = 10.0  # time limit for the last flush: a broken disk must not hold the command
_QUOTA_CHECK_SECONDS = 1.0
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class SegmentOptions:
    """How a recording is divided into files.

    Attributes:
        seconds: length of a file.
        max_bytes: size of all files together. If they are larger, the oldest are deleted. None: no limit.
    """

    seconds: float
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise UsageError(f"segments of {self.seconds:g} seconds: the length must be above 0")
        if self.max_bytes is not None and self.max_bytes <= 0:
            raise UsageError(f"a quota of {self.max_bytes} bytes: it must be above 0")


class RecordingWriter:
    """Writes the colored frames of a camera to a video file, or to numbered segments.

    A segment of door.mp4 is named door-000001.mp4. Numbers continue after those that exist.

    Args:
        path: the file to write. Its extension selects the container, as for `VideoWriter`.
        force: replace an existing file. Segments never replace a file.
        segments: how the recording is divided into files; None: one file.

    Attributes:
        path: the file that is being written, or was written last.
        notes: what the user should know about the result, one sentence each.

    Raises:
        MissingError: PyAV is not installed.
        UsageError: the extension is not one of a supported container, or the file exists.
    """

    def __init__(
        self, path: str | Path, *, force: bool = False, segments: SegmentOptions | None = None
    ) -> None:
        self.path = self._name = Path(path)
        self.notes: list[str] = []
        refuse_format(self.path)
        self._av, self._force = pyav.load(), force
        if segments is None:
            refuse_existing(self.path, force)
        self._segments = _Segments(self._name, segments) if segments else None
        self._encoder: VideoEncoder | None = None
        self._syncer: _Syncer | None = None
        self._segment_end = float("inf")

    def __enter__(self) -> RecordingWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the recording."""
        self.discard()

    def write(self, shot: Shot) -> None:
        """Append a frame. A frame of another size than the first of its file is scaled to that size.

        Raises:
            MissingError: PyAV lacks the encoder.
            PictureError: the file cannot be written. What was recorded before is kept.
            UsageError: another program has created the file meanwhile (without `force`).
        """
        with self._failures_explained():
            if self._encoder is not None and shot.seconds >= self._segment_end:
                self._end_file(wait=False)
            if self._encoder is None:
                self._encoder = self._begin_file(shot)
            self._encoder.encode(shot.frame, shot.seconds)
        if self._segments is not None:
            self._segments.apply_quota(shot.seconds)

    def finish(self, *, whole: bool = True) -> None:
        """Complete the recording. If no frame was written, there is no file.

        Args:
            whole: has no effect, because a recording has no audio.

        Raises:
            PictureError: the end of the file cannot be written. What was recorded before is kept.
        """
        with self._failures_explained():
            self._end_file(wait=True)
        if self._segments is not None and self._segments.count > 1:
            self.notes.append(
                f"{self._segments.count} segments were written, from {self._segments.first.name} to "
                f"{self.path.name}"
            )

    def discard(self) -> None:
        """Close the file at once. What was recorded is kept."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.close()
        self._stop_syncer(wait=True)

    def _begin_file(self, shot: Shot) -> VideoEncoder:
        if self._segments is not None:
            self.path = self._segments.create(shot.seconds)
            self._segment_end = shot.seconds + self._segments.options.seconds
        else:
            if self._force:
                self.path.unlink(missing_ok=True)
            _create(self.path)
        settings = EncoderSettings(start_seconds=shot.seconds, is_recording=True)
        try:
            encoder = VideoEncoder(self.path, self._name, shot.frame.y.size, settings)
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        self.notes += [note for note in encoder.notes if note not in self.notes]
        self._syncer = _Syncer(self.path)
        return encoder

    def _end_file(self, *, wait: bool) -> None:
        """Complete the file. If `wait` is on, also wait until it is flushed to the disk."""
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        try:
            encoder.flush()
            encoder.container.close()
        finally:
            encoder.close()
            self._stop_syncer(wait=wait)

    def _stop_syncer(self, *, wait: bool) -> None:
        syncer, self._syncer = self._syncer, None
        if syncer is not None:
            syncer.stop(wait=wait)

    @contextmanager
    def _failures_explained(self) -> Iterator[None]:
        """Close the file if it cannot be written, and raise PictureError."""
        try:
            yield
        except FileExistsError:
            raise UsageError(f"{self.path}: exists already; use --force to replace it") from None
        except (self._av.error.FFmpegError, OSError) as error:
            is_own_file = self._encoder is not None
            self.discard()
            reason = f"{self.path}: cannot be written: {error.strerror or error}"
            if error.errno in _DISK_FULL:
                reason += ". The disk is full: free some space, or limit the size with --segment and --quota"
            kept = "What was recorded before is kept in this file."
            if not _is_playable(self.path, self._av):
                if is_own_file:
                    self.path.unlink(missing_ok=True)
                kept = "Nothing was recorded in this file."
            raise PictureError(f"{reason.rstrip('.')}. {kept}") from error


class _Segments:
    """The numbered files of a recording, also those of earlier runs."""

    def __init__(self, name: Path, options: SegmentOptions) -> None:
        self.options, self.count, self.first = options, 0, name
        self._name = name
        self._files: deque[Path] = deque()  # the oldest first
        self._next, self._next_check = 1, float("-inf")

    def create(self, seconds: float) -> Path:
        """Create the next file, and return its path."""
        if not self.count:
            pattern = re.compile(re.escape(self._name.stem) + r"-(\d{6,})" + re.escape(self._name.suffix))
            numbers = {}
            if self._name.parent.is_dir():
                for entry in self._name.parent.iterdir():
                    if match := pattern.fullmatch(entry.name):
                        numbers[int(match[1])] = entry
            self._files = deque(numbers[number] for number in sorted(numbers))
            self._next = max(numbers, default=0) + 1
        while True:
            path = self._name.with_name(f"{self._name.stem}-{self._next:06}{self._name.suffix}")
            self._next += 1
            with suppress(FileExistsError):  # another recording has taken this number
                _create(path)
                break
        if not self.count:
            self.first = path
        self.count += 1
        self._files.append(path)
        self._next_check = seconds
        return path

    def apply_quota(self, seconds: float) -> None:
        """Delete the oldest files if all files together are too large. Checks once per second."""
        if self.options.max_bytes is None or seconds < self._next_check:
            return
        self._next_check = seconds + _QUOTA_CHECK_SECONDS
        sizes: dict[Path, int] = {}
        for path in self._files:
            with suppress(FileNotFoundError):  # the user has deleted it
                sizes[path] = path.stat().st_size
        self._files = deque(sizes)
        total = sum(sizes.values())
        while total > self.options.max_bytes and len(self._files) > 1:
            oldest = self._files.popleft()
            oldest.unlink(missing_ok=True)
            total -= sizes[oldest]


class _Syncer:
    """A thread that flushes a growing file to the disk, because a flush takes too long between two frames."""

    def __init__(self, path: Path) -> None:
        self._path, self._stopped = path, threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"flush of {path.name}", daemon=True)
        self._thread.start()

    def stop(self, *, wait: bool) -> None:
        """End the thread, which flushes the file for the last time. Wait for it if `wait` is on."""
        self._stopped.set()
        if wait:
            self._thread.join(_LAST_SYNC_SECONDS)

    def _run(self) -> None:
        _sync(self._path.parent, os.O_RDONLY)
        while not self._stopped.wait(SYNC_SECONDS):
            _sync(self._path, os.O_RDWR)
        _sync(self._path, os.O_RDWR)


def _sync(path: Path, mode: int) -> None:
    # A file system that cannot flush is no reason to stop. What cannot be written is reported by the writer.
    with suppress(OSError):
        descriptor = os.open(path, mode)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _create(path: Path) -> None:
    """Create an empty file that does not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("xb").close()


def _is_playable(path: Path, av: Any) -> bool:
    """Return whether a video file has a frame that can be decoded."""
    try:
        with av.open(pyav.local_file(path)) as container:
            return next(iter(container.decode(video=0)), None) is not None
    except (av.error.FFmpegError, OSError, IndexError):
        return False
