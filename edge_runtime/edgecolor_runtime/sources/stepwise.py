"""What the sources share: they are read step by step, so that another thread can close them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator

from edgecolor_runtime.sources.frames import Frame


class Stepwise(ABC):
    """A `Source`. A step is one wait for a frame; `close` waits for the step that is under way.

    Args:
        name: What a message calls it.
        live: As in `Source`.
        framerate: As in `Source`.
    """

    def __init__(self, name: str, *, live: bool, framerate: float | None) -> None:
        self.name, self.live, self.framerate = name, live, framerate
        self._closed = threading.Event()
        self._step_lock = threading.Lock()

    def __iter__(self) -> Iterator[Frame]:
        """Frames, one after another."""
        while True:
            with self._step_lock:
                if self._closed.is_set():
                    return
                try:
                    frame = self._step()
                except EOFError:
                    return
            if frame is not None:
                yield frame

    def close(self) -> None:
        """Let go of the device or file; safe to call twice, and from another thread."""
        self._closed.set()
        with self._step_lock:
            self._release()

    @abstractmethod
    def _step(self) -> Frame | None:
        """The next frame; None if there is none yet. Raises EOFError at the end. Ends soon once `_closed`."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of the device or file; may be called twice."""
