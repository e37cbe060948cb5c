"""The live loop: gray frames in, colored shots out; and what it knows of its own speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.live.shot import Shot
from edgecolor_runtime.live.statistics import Statistics
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.latest import Feed
from edgecolor_runtime.sources.orientation import UPRIGHT, Turn


class Steady(Protocol):
    """What keeps colors from flickering: takes what the network sees and says, returns steadier ab."""

    def __call__(self, seen: U8, ab: F32) -> F32:
        """`seen` is 8-bit luma (224, 224); `ab` and the result are (56, 56, 2)."""
        ...


class Live:
    """Colors frames one after another.

    Args:
        feed: Where the frames come from.
        colorizer: The model.
        calm: Steadies the colors over time; None: each frame stands alone.
        turn: Turns each frame before it is colored.
        limit: Shots after which it ends; None: at the end of the source.
    """

    def __init__(
        self,
        feed: Feed,
        colorizer: Colorizer,
        *,
        calm: Steady | None = None,
        turn: Turn | None = None,
        limit: int | None = None,
    ) -> None:
        self.statistics = Statistics(feed.name, colorizer.model.info.name)
        self._feed, self._colorizer, self._calm, self._limit = feed, colorizer, calm, limit
        self._turn = turn or UPRIGHT

    def __iter__(self) -> Iterator[Shot]:
        """The colored frames. One counts as done when the next is asked for."""
        feed = iter(self._feed)
        try:
            number, asked = 0, time.monotonic()
            while self._limit is None or number < self._limit:
                taken = next(feed, None)
                if taken is None:
                    return
                frame, dropped = taken
                shot = self._shot(number, frame, dropped, asked)
                yield shot
                self.statistics.add(shot)
                number, asked = number + 1, time.monotonic()
        finally:
            feed.close()

    def stop(self) -> None:
        """End after the frame that is being colored; safe in a signal handler."""
        self._feed.stop()

    def _shot(self, number: int, frame: Frame, dropped: int, asked: float) -> Shot:
        begun = time.monotonic()
        gray = self._turn(frame.gray)
        seen = self._colorizer.prepare(gray)
        prepared = time.monotonic()
        ab = self._colorizer.predict(seen)
        predicted = time.monotonic()
        if self._calm is not None:
            ab = self._calm(seen, ab)
        colored = self._colorizer.finish(gray, seen, ab)
        times = {
            # Of a live frame: since it was taken. Of a file's: what it took to read it.
            "capture": max(0.0, begun - (frame.seconds if self._feed.live else asked)),
            "prepare": prepared - begun,
            "invoke": predicted - prepared,
            "finish": time.monotonic() - predicted,
        }
        return Shot(number, colored, frame.seconds, dropped, times)
