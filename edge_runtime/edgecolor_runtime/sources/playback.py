"""A recording played like a camera, by a real clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.sources.frames import Frame, Source
from edgecolor_runtime.sources.stepwise import Stepwise


class Playback(Stepwise):
    """A recording played at its own pace, again and again. It drops nothing.

    Where frames cannot be read as fast as they are due, it plays slower, as a slow camera would.

    Args:
        record: Opens the recording, a source that is not live; called again for each round.
        framerate: Frames a second; None: by the recording's time stamps.
        rounds: How often it is played; None: until closed.
    """

    def __init__(
        self, record: Callable[[], Source], *, framerate: float | None = None, rounds: int | None = None
    ) -> None:
        self._record, self._rate, self._rounds = record, framerate, rounds
        self._recording = record()
        super().__init__(self._recording.name, live=True, framerate=framerate or self._recording.framerate)
        self._frames = self._paced()

    def _paced(self) -> Iterator[Frame]:
        due = time.monotonic()
        played = 0
        while self._rounds is None or played < self._rounds:
            before = None
            for frame in self._recording:
                if self._rate:
                    gap = 1 / self._rate
                else:
                    gap = frame.seconds - before if before is not None else 1 / (self.framerate or 30)
                before = frame.seconds
                due = max(
                    due + gap, time.monotonic() - gap
                )  # late by more than a frame: the clock is set back
                self._closed.wait(max(0.0, due - time.monotonic()))
                yield Frame(frame.gray, due)
            if before is None:
                raise PictureError(f"{self.name}: no frame in it")
            played += 1
            self._recording.close()
            self._recording = self._record()

    def _step(self) -> Frame | None:
        frame = next(self._frames, None)
        if frame is None:
            raise EOFError
        return frame

    def _release(self) -> None:
        self._recording.close()
