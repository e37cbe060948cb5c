"""A recording that is played like a camera, by a real clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.sources.frames import Frame, Source
from edgecolor_runtime.sources.stepwise import StepwiseSource


class Playback(StepwiseSource):
    """Plays a recording at its own pace, again and again. It drops no frame.

    If frames cannot be read as fast as they are due, playback is slower, like a slow camera.

    Args:
        open_recording: opens the recording, a source that is not live. It is called for each round.
        framerate: frames per second; None: by the time stamps of the recording.
        rounds: how often the recording is played; None: until the playback is closed.

    Raises:
        PictureError: the recording cannot be opened.
    """

    def __init__(
        self,
        open_recording: Callable[[], Source],
        *,
        framerate: float | None = None,
        rounds: int | None = None,
    ) -> None:
        self._open_recording, self._framerate, self._rounds = open_recording, framerate, rounds
        self._recording = open_recording()
        super().__init__(self._recording.name, live=True, framerate=framerate or self._recording.framerate)
        self._frames = self._play()

    @property
    def notes(self) -> Sequence[str]:
        """Those of the recording."""
        return self._recording.notes

    def _play(self) -> Iterator[Frame]:
        due = time.monotonic()
        played = 0
        while self._rounds is None or played < self._rounds:
            previous = None
            for frame in self._recording:
                if self._framerate:
                    gap = 1 / self._framerate
                else:
                    gap = frame.seconds - previous if previous is not None else 1 / (self.framerate or 30)
                starts_over = played > 0 and previous is None
                previous = frame.seconds
                # If a frame is late by more than one gap, the clock is set back.
                due = max(due + gap, time.monotonic() - gap)
                self._closed.wait(max(0.0, due - time.monotonic()))
                yield replace(frame, seconds=due, restarted=starts_over)
            if previous is None:
                raise PictureError(f"{self.name}: no frame in it")
            played += 1
            self._recording.close()
            self._recording = self._open_recording()

    def _step(self) -> Frame | None:
        frame = next(self._frames, None)
        if frame is None:
            raise EOFError
        return frame

    def _release(self) -> None:
        self._recording.close()
