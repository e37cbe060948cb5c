"""Timing that survives a busy machine: everything that is compared is measured in turns, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgecolor.support.statistics import quantile

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
    return Spread(quantile(ordered, 0.5), quantile(ordered, 0.1), quantile(ordered, 0.9), len(ordered))


@dataclass(frozen=True)
class Taken:
    """One run of a task, in seconds."""

    wall: float
    processor: float  # what this process was given: other processes on the core do not count


def in_turns(tasks: Mapping[str, Task], *, repeats: int) -> dict[str, list[Taken]]:
    """Runs each task once, then the next, and again.

    What slows the machine for a while then slows all of them: ratios of two tasks of one turn stay fair.

    Returns:
        The runs by task; run i of every task belongs to turn i. One turn before is not counted.
    """
    taken: dict[str, list[Taken]] = {name: [] for name in tasks}
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            processor, wall = time.process_time(), time.perf_counter()
            task()
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            if turn:
                taken[name].append(Taken(wall, processor))
    return taken


def ratios(samples: Sequence[Taken], unit: Sequence[Taken]) -> Spread:
    """One task in units of another, turn by turn, in processor time."""
    return spread([a.processor / b.processor for a, b in zip(samples, unit, strict=True)])
