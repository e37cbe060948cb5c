"""Statistics of a live loop: frame rate, latency, dropped frames, time per stage.

Latency is the time of a frame in edgecolor: from the moment in its time stamp until it was encoded.
`latency_from` names that moment. What comes before it (a stream's camera and network) and what comes after
(the network to a viewer, the display) is not in it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgecolor_runtime.colors.frame import Shot

STAGES = ("capture", "prepare", "invoke", "finish", "encode")
WINDOW_SECONDS = 10.0
"""The statistics cover the frames of this time."""


@dataclass(frozen=True)
class Percentiles:
    """Median, 90th and 99th percentile of a time, in milliseconds."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class LiveStatistics:
    """What a live loop did up to now. Speed and latency cover the last ten seconds.

    Attributes:
        frames: number of colored frames.
        dropped: number of frames that were left out.
        fps: colored frames per second; 0 if a camera stalls.
        latency_ms: time from the moment in `latency_from` until a frame was encoded, the sum of its stages.
            None if there was no frame.
        latency_from: where latency begins: "capture" (the camera's time stamp), "arrival" (a stream's frame
            was decoded; the camera and the network took their time before), or "reading" (a file).
        stages_ms: the time of each stage of `STAGES`; None for a stage that did not run.
        size: width and height of the last frame in pixels; None before the first frame.
        source: name of the source.
        model: name of the model.
    """

    frames: int
    dropped: int
    fps: float
    latency_ms: Percentiles | None
    latency_from: str
    stages_ms: dict[str, Percentiles | None]
    size: tuple[int, int] | None
    source: str
    model: str

    def to_json(self) -> dict[str, Any]:
        """Return the statistics as a JSON object."""
        return {**asdict(self), "size": list(self.size) if self.size else None}


class StatisticsCounter:
    """Counts the frames of a live loop and their times. Any thread may read it.

    Args:
        source: name of the source.
        model: name of the model.
        now: the clock.
    """

    def __init__(self, source: str, model: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._source, self._model, self._now = source, model, now
        self._first: float | None = None  # when the first frame was done
        self._ended: float | None = None  # when the loop ended
        self._latency_from = ""
        self._lock = threading.Lock()
        # When each frame was done, and the seconds of its stages. "encode" may be added later.
        self._shots: deque[tuple[float, dict[str, float]]] = deque()
        self._frames = self._dropped = 0
        self._size: tuple[int, int] | None = None

    def add(self, shot: Shot, latency_from: str) -> None:
        """Count a frame that is done, and say where its latency begins."""
        with self._lock:
            self._latency_from = latency_from
            self._frames, self._dropped = shot.number + 1, shot.dropped
            self._size = shot.frame.y.size
            done = self._now()
            if self._first is None:
                self._first = done
            self._shots.append((done, shot.times))
            self._forget(done)

    def end(self) -> None:
        """Note that there will be no further frame. The statistics stay those of this moment."""
        with self._lock:
            self._ended = self._now()

    def snapshot(self) -> LiveStatistics:
        """Return the statistics up to now."""
        with self._lock:
            now = self._now() if self._ended is None else self._ended
            self._forget(now)
            shots, frames, dropped, size = list(self._shots), self._frames, self._dropped, self._size
            first = now if self._first is None else self._first
        is_whole_window = now - first > WINDOW_SECONDS
        # At the start, the first frame only begins the time that the others took.
        count, span = (len(shots), WINDOW_SECONDS) if is_whole_window else (len(shots) - 1, now - first)
        times = [dict(stages) for _, stages in shots]
        return LiveStatistics(
            frames=frames,
            dropped=dropped,
            fps=round(count / span, 2) if span and count > 0 else 0.0,
            latency_ms=_percentiles([sum(stages.values()) for stages in times]),
            latency_from=self._latency_from,
            stages_ms={
                name: _percentiles([stages[name] for stages in times if name in stages]) for name in STAGES
            },
            size=size,
            source=self._source,
            model=self._model,
        )

    def _forget(self, now: float) -> None:
        while self._shots and self._shots[0][0] <= now - WINDOW_SECONDS:
            self._shots.popleft()


def _percentiles(seconds: list[float]) -> Percentiles | None:
    if not seconds:
        return None
    return Percentiles(*(round(1000 * float(value), 2) for value in np.percentile(seconds, (50, 90, 99))))
