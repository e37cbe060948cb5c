"""Statistics of a live loop: frame rate, latency, dropped frames, time per stage."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgecolor_runtime.colors.frame import Shot

STAGES = ("capture", "prepare", "invoke", "finish", "encode")
WINDOW_FRAMES = 300
"""Number of recent frames that the statistics cover: ten seconds at 30 frames per second."""


@dataclass(frozen=True)
class Percentiles:
    """Median, 90th and 99th percentile of a time, in milliseconds."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class LiveStatistics:
    """What a live loop did up to now. Speed and latency cover the last 300 frames.

    Attributes:
        frames: number of colored frames.
        dropped: number of frames that were left out.
        fps: colored frames per second.
        latency_ms: latency of a frame, the sum of its stages: from the moment it was taken until it was
            encoded. None before the first frame.
        stages_ms: the time of each stage of `STAGES`; None for a stage that did not run.
        size: width and height of the last frame in pixels; None before the first frame.
        source: name of the source.
        model: name of the model.
    """

    frames: int
    dropped: int
    fps: float
    latency_ms: Percentiles | None
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
    """

    def __init__(self, source: str, model: str) -> None:
        self._source, self._model = source, model
        self._lock = threading.Lock()
        # When each frame was done, and the seconds of its stages. "encode" may be added later.
        self._shots: deque[tuple[float, dict[str, float]]] = deque(maxlen=WINDOW_FRAMES)
        self._frames = self._dropped = 0
        self._size: tuple[int, int] | None = None

    def add(self, shot: Shot) -> None:
        """Count a frame that is done."""
        with self._lock:
            self._frames, self._dropped = shot.number + 1, shot.dropped
            self._size = shot.frame.y.size
            self._shots.append((time.monotonic(), shot.times))

    def snapshot(self) -> LiveStatistics:
        """Return the statistics up to now."""
        with self._lock:
            shots, frames, dropped, size = list(self._shots), self._frames, self._dropped, self._size
        span = shots[-1][0] - shots[0][0] if shots else 0.0
        times = [dict(stages) for _, stages in shots]
        return LiveStatistics(
            frames=frames,
            dropped=dropped,
            fps=round((len(shots) - 1) / span, 2) if span else 0.0,
            latency_ms=_percentiles([sum(stages.values()) for stages in times]),
            stages_ms={
                name: _percentiles([stages[name] for stages in times if name in stages]) for name in STAGES
            },
            size=size,
            source=self._source,
            model=self._model,
        )


def _percentiles(seconds: list[float]) -> Percentiles | None:
    if not seconds:
        return None
    return Percentiles(*(round(1000 * float(value), 2) for value in np.percentile(seconds, (50, 90, 99))))
