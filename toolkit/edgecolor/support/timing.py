"""Timing on a busy machine: tasks that are compared take turns in one run."""

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
    """Return the spread of samples; percentiles are linearly interpolated."""
    ordered = sorted(samples)
    return Spread(quantile(ordered, 0.5), quantile(ordered, 0.1), quantile(ordered, 0.9), len(ordered))


@dataclass(frozen=True)
class TimedRun:
    """One run of a task, in seconds.

    Attributes:
        wall: elapsed time.
        processor: processor time of this process; other processes on the core do not count.
    """

    wall: float
    processor: float


def in_turns(tasks: Mapping[str, Task], *, repeats: int) -> dict[str, list[TimedRun]]:
    """Run each task once per turn.

    Background load slows all tasks of a turn alike. Ratios of two tasks of one turn stay fair.

    Args:
        tasks: the tasks by name.
        repeats: number of turns that count; one more turn comes before them.

    Returns:
        The runs by task; run i of every task belongs to turn i.
    """
    runs: dict[str, list[TimedRun]] = {name: [] for name in tasks}
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            processor, wall = time.process_time(), time.perf_counter()
            task()
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            if turn:
                runs[name].append(TimedRun(wall, processor))
    return runs


def ratios(samples: Sequence[TimedRun], unit: Sequence[TimedRun]) -> Spread:
    """Return the processor times of one task in units of another, turn by turn."""
    return spread([a.processor / b.processor for a, b in zip(samples, unit, strict=True)])
