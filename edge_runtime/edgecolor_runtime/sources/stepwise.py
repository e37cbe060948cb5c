"""The base class of the sources. They are read step by step, and another thread may close them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from edgecolor_runtime.sources.frames import Frame

CLOSE_SECONDS = 0.5
"""Time limit for closing a source whose reader waits for a device or a server."""

_Self = TypeVar("_Self", bound="StepwiseSource")


class StepwiseSource(ABC):
    """A `Source` that reads one frame per step.

    `close` waits for the current step, but not longer than `CLOSE_SECONDS`. If the step takes longer, the
    thread that reads releases the device or the file after the step.

    Args:
        name: as in `Source`.
        live: as in `Source`.
        framerate: as in `Source`.
    """

    def __init__(self, name: str, *, live: bool, framerate: float | None) -> None:
        self.name, self.live, self.framerate = name, live, framerate
        self.stamped_at = "capture" if live else "reading"
        self._closed = threading.Event()
        self._step_lock = threading.Lock()

    def __enter__(self: _Self) -> _Self:
        """Return the source itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source."""
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, until the source ends or is closed."""
        while True:
            with self._step_lock:
                if self._closed.is_set():
                    return self._release()
                try:
                    frame = self._step()
                except EOFError:
                    return None
                finally:
                    if self._closed.is_set():  # `close` may have given up waiting for this step
                        self._release()
            if frame is not None and not self._closed.is_set():
                yield frame

    def close(self) -> None:
        """Release the device or the file. May be called twice, and from another thread."""
        self._closed.set()
        if self._step_lock.acquire(timeout=CLOSE_SECONDS):
            try:
                self._release()
            finally:
                self._step_lock.release()

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about the frames, one sentence each. They only grow in number."""
        return ()

    @abstractmethod
    def _step(self) -> Frame | None:
        """Return the next frame, or None if there is none yet.

        A step returns soon after `_closed` is set.

        Raises:
            EOFError: the source has ended.
        """

    @abstractmethod
    def _release(self) -> None:
        """Release the device or the file. May be called twice."""
