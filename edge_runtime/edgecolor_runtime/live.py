"""The live loop: gray frames in, coloured shots out; and what it knows of its own speed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from edgecolor_runtime.color import F32, U8
from edgecolor_runtime.colorizer import Colorizer
from edgecolor_runtime.frames import Frame, Shot
from edgecolor_runtime.newest import Feed
from edgecolor_runtime.turn import UPRIGHT, Turn

STAGES = ("capture", "prepare", "invoke", "finish", "encode")
WINDOW = 300  # frames that the statistics look back on: ten seconds at 30 a second


class Statistics:
    """Speed and latency of the last frames. May be read from any thread.

    Args:
        source: Name of the source.
        model: Name of the model.
    """

    def __init__(self, source: str, model: str) -> None:
        self._source, self._model = source, model
        self._lock = threading.Lock()
        # When each shot was done, and the seconds of its stages; who encodes later adds to those.
        self._shots: deque[tuple[float, dict[str, float]]] = deque(maxlen=WINDOW)
        self._frames = self._dropped = 0
        self._size: tuple[int, int] | None = None

    def add(self, shot: Shot) -> None:
        """Count a shot that is done with."""
        with self._lock:
            self._frames, self._dropped = shot.number + 1, shot.dropped
            self._size = shot.frame.y.size
            self._shots.append((time.monotonic(), shot.times))

    def snapshot(self) -> dict[str, Any]:
        """JSON-able: frames, dropped, fps, latency and stages in ms, size, source, model.

        The latency of a frame is the sum of its stages: from the moment it was taken until it was encoded.
        """
        with self._lock:
            shots, frames, dropped, size = list(self._shots), self._frames, self._dropped, self._size
        span = shots[-1][0] - shots[0][0] if shots else 0.0
        times = [dict(stages) for _, stages in shots]
        return {
            "frames": frames,
            "dropped": dropped,
            "fps": round((len(shots) - 1) / span, 2) if span else 0.0,
            "latency_ms": _spread([sum(stages.values()) for stages in times]),
            "stages_ms": {
                name: _spread([stages[name] for stages in times if name in stages]) for name in STAGES
            },
            "size": list(size) if size else None,
            "source": self._source,
            "model": self._model,
        }


def _spread(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    p50, p90, p99 = (round(1000 * float(value), 2) for value in np.percentile(seconds, (50, 90, 99)))
    return {"p50": p50, "p90": p90, "p99": p99}


class Steady(Protocol):
    """What keeps colours from flickering: takes what the network sees and says, returns steadier ab."""

    def __call__(self, seen: U8, ab: F32) -> F32:
        """`seen` is 8-bit luma (224, 224); `ab` and the result are (56, 56, 2)."""
        ...


class Live:
    """Colours frames one after another.

    Args:
        feed: Where the frames come from.
        colorizer: The model.
        calm: Steadies the colours over time; None: each frame stands alone.
        turn: Turns each frame before it is coloured.
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
        self.statistics = Statistics(feed.name, str(colorizer.model.info["name"]))
        self._feed, self._colorizer, self._calm, self._limit = feed, colorizer, calm, limit
        self._turn = turn or UPRIGHT

    def __iter__(self) -> Iterator[Shot]:
        """The coloured frames. One counts as done when the next is asked for."""
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
        """End after the frame that is being coloured; safe in a signal handler."""
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
        coloured = self._colorizer.finish(gray, seen, ab)
        times = {
            # Of a live frame: since it was taken. Of a file's: what it took to read it.
            "capture": max(0.0, begun - (frame.seconds if self._feed.live else asked)),
            "prepare": prepared - begun,
            "invoke": predicted - prepared,
            "finish": time.monotonic() - predicted,
        }
        return Shot(number, coloured, frame.seconds, dropped, times)
