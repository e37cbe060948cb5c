"""Timing that survives a busy machine: everything that is compared is measured in turns, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Task = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile of repeated measurements, in the unit of the samples."""

    median: float
    p10: float
    p90: float
    repeats: int


def spread(samples: Sequence[float]) -> Spread:
    """Summarizes samples; percentiles are linearly interpolated."""
    ordered = sorted(samples)
    return Spread(_quantile(ordered, 0.5), _quantile(ordered, 0.1), _quantile(ordered, 0.9), len(ordered))


def in_turns(tasks: Mapping[str, Task], *, repeats: int) -> dict[str, list[float]]:
    """Runs each task once, then the next, and again.

    What slows the machine for a while then slows all of them: ratios of two tasks of one turn stay fair.

    Returns:
        Seconds of each run, by task; run i of every task belongs to turn i. One turn before is not counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            seconds = time.perf_counter() - started
            if turn:
                taken[name].append(seconds)
    return taken


def ratios(samples: Sequence[float], unit: Sequence[float]) -> Spread:
    """One task in units of another, turn by turn."""
    return spread([a / b for a, b in zip(samples, unit, strict=True)])


def _quantile(ordered: Sequence[float], q: float) -> float:
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
