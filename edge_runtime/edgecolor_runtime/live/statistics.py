"""Statistics of a live loop: frame rate, latency, dropped frames, time per stage."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np

from edgecolor_runtime.live.shot import Shot

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
