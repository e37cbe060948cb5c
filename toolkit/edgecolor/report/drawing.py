"""Where things lie in the drawings of a report. The page's template turns them into SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgecolor.records.types import Distribution
from edgecolor.report.choice import Timing
from edgecolor.support.plot_axes import Tick, linear_axis, log_axis
from edgecolor.support.timing import quantile

WIDTH, HEIGHT = 640.0, 400.0  # of the plot, in its own units
LEFT, RIGHT, TOP, BOTTOM = 70.0, 28.0, 14.0, 52.0  # margins
LARGEST_MARK = 20.0  # radius of the largest file's mark
SMALLEST_MARK = 3.0
BADGE = 9.0  # half a side of a letter's place


@dataclass(frozen=True)
class Mark:
    """One file: a disc whose area is its size, and its letter beside it."""

    timing: Timing
    x: float
    y: float
    radius: float
    letter_x: float
    letter_y: float


@dataclass(frozen=True)
class Plot:
    """Accuracy against latency."""

    marks: tuple[Mark, ...]  # largest first, so that no small one is hidden
    line: str  # of the files that no other one beats, as points of a polyline
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    level: float | None  # where the reference's accuracy lies, if it is not among the marks


@dataclass(frozen=True)
class Strip:
    """A distribution on a line, per cent of its width: where samples are, to a tenth; quantiles."""

    samples: tuple[float, ...]
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float
    p99: float


def plot(timings: Sequence[Timing], pareto: Sequence[Timing], reference_g56: float | None) -> Plot | None:
    """Draws the files whose accuracy is known; None where there is none.

    Args:
        timings: of one device.
        pareto: those of them that no other one beats.
        reference_g56: of a reference that is not among them, dB; None if it is.
    """
    shown = [(t, t.ms, t.variant.g56) for t in timings if t.variant.g56 is not None]
    if not shown:
        return None
    times = [ms for _, ms, _ in shown]
    gains = [g for *_, g in shown if g is not None] + ([] if reference_g56 is None else [reference_g56])
    x = log_axis(min(times), max(times), start=LEFT, end=WIDTH - RIGHT)
    low, high = min(gains), max(gains)
    room = max(0.12 * (high - low), 0.05)
    y = linear_axis(low - room, high + room, start=HEIGHT - BOTTOM, end=TOP, signed=True)
    heaviest = max(t.variant.file.bytes for t, *_ in shown)
    places = [
        (t, x.place(time), y.place(gain or 0.0), _radius(t.variant.file.bytes / heaviest))
        for t, time, gain in shown
    ]
    marks = _lettered(sorted(places, key=lambda p: -p[3]))
    line = " ".join(f"{x.place(t.ms):.1f},{y.place(t.variant.g56 or 0.0):.1f}" for t in pareto)
    return Plot(marks, line, x.ticks, y.ticks, None if reference_g56 is None else y.place(reference_g56))


def _radius(share: float) -> float:
    return max(SMALLEST_MARK, LARGEST_MARK * math.sqrt(share))


def _lettered(places: Sequence[tuple[Timing, float, float, float]]) -> tuple[Mark, ...]:
    """Gives each letter the nearest free place around its mark."""
    taken: list[tuple[float, float, float]] = [(x, y, radius) for _, x, y, radius in places]
    marks = []
    for timing, x, y, radius in places:
        spots = [
            (x + math.cos(angle) * far, y + math.sin(angle) * far)
            for far in (radius + BADGE + 1 + extra for extra in range(0, 120, 6))
            for angle in (math.pi * step / 6 for step in (-3, -2, -4, -1, -5, 0, 6, 1, 5, 2, 4, 3))
        ]
        inside = [
            (a, b)
            for a, b in spots
            if LEFT + BADGE < a < WIDTH - RIGHT - BADGE and TOP + BADGE < b < HEIGHT - BOTTOM - BADGE
        ]
        free = (spot for spot in inside if all(math.dist(spot, (a, b)) >= BADGE + r for a, b, r in taken))
        a, b = next(free, inside[0])
        taken.append((a, b, BADGE))
        marks.append(Mark(timing, x, y, radius, a, b))
    return tuple(marks)


def strips(found: Sequence[Distribution], *, logarithmic: bool) -> tuple[list[Strip], tuple[Tick, ...]]:
    """Distributions on one axis, per cent of its width, and the axis's ticks.

    The axis holds 98 % of each; what is beyond stands at its ends.

    Args:
        found: at least one.
        logarithmic: for times; linear otherwise.
    """
    low = min(quantile(d.samples, 0.01) for d in found)
    high = max(quantile(d.samples, 0.99) for d in found)
    if logarithmic:
        axis = log_axis(low, high, start=0, end=100)
    else:
        room = 0.03 * (high - low) or 1.0
        axis = linear_axis(low - room, high + room, start=0, end=100, signed=True)
    place = axis.place
    return [
        Strip(
            tuple(sorted({round(min(max(place(v), 0), 100), 1) for v in d.samples})),
            *map(place, (d.p10, d.p25, d.p50, d.p75, d.p90, d.p99)),
        )
        for d in found
    ], axis.ticks
