"""The layout of the drawings of a report. The template of the page turns it into SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgecolor.report.contents import FileTiming
from edgecolor.support.plot_axes import Tick, linear_axis, log_axis
from edgecolor.support.statistics import Distribution, quantile

WIDTH, HEIGHT = 640.0, 400.0  # of the plot, in its own units
LEFT, RIGHT, TOP, BOTTOM = 70.0, 28.0, 14.0, 52.0  # margins
MAX_RADIUS = 20.0  # of the mark of the largest file
MIN_RADIUS = 3.0
HALF_BADGE = 9.0  # half the side of a letter's square


@dataclass(frozen=True)
class Mark:
    """One file: a disc whose area is proportional to the size of the file, and its letter beside it."""

    timing: FileTiming
    x: float
    y: float
    radius: float
    letter_x: float
    letter_y: float


@dataclass(frozen=True)
class Plot:
    """The plot of accuracy against latency.

    Attributes:
        marks: largest first; then no small mark is hidden.
        line: unbeaten files as points of a polyline.
        level: position of the reference's accuracy; None if the reference has a mark.
    """

    marks: tuple[Mark, ...]
    line: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    level: float | None


@dataclass(frozen=True)
class Strip:
    """A distribution on a line, in percent of its width: samples, to a tenth, and quantiles."""

    samples: tuple[float, ...]
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float
    p99: float


def draw_plot(
    timings: Sequence[FileTiming], unbeaten: Sequence[FileTiming], *, reference_g56: float | None
) -> Plot | None:
    """Lay out the plot of the files whose accuracy is known.

    Args:
        timings: files on one device.
        unbeaten: those of them that no other one beats.
        reference_g56: dB of a reference that is not among them; None if it is.

    Returns:
        None if the accuracy of no file is known.
    """
    known = [(timing, timing.file.g56) for timing in timings if timing.file.g56 is not None]
    if not known:
        return None
    times = [timing.ms for timing, _ in known]
    gains = [gain for _, gain in known] + ([] if reference_g56 is None else [reference_g56])
    x = log_axis(min(times), max(times), start=LEFT, end=WIDTH - RIGHT)
    low, high = min(gains), max(gains)
    margin = max(0.12 * (high - low), 0.05)
    y = linear_axis(low - margin, high + margin, start=HEIGHT - BOTTOM, end=TOP, signed=True)
    heaviest = max(timing.file.identity.bytes for timing, _ in known)
    places = [
        (t, x.place(t.ms), y.place(gain), _radius(t.file.identity.bytes / heaviest)) for t, gain in known
    ]
    return Plot(
        marks=_lettered(sorted(places, key=lambda place: -place[3])),
        line=" ".join(f"{x.place(t.ms):.1f},{y.place(t.file.g56 or 0.0):.1f}" for t in unbeaten),
        x_ticks=x.ticks,
        y_ticks=y.ticks,
        level=None if reference_g56 is None else y.place(reference_g56),
    )


def _radius(share: float) -> float:
    return max(MIN_RADIUS, MAX_RADIUS * math.sqrt(share))


def _lettered(places: Sequence[tuple[FileTiming, float, float, float]]) -> tuple[Mark, ...]:
    """Give each letter the nearest free place around its mark."""
    taken: list[tuple[float, float, float]] = [(x, y, radius) for _, x, y, radius in places]
    marks = []
    for timing, x, y, radius in places:
        spots = [
            (x + math.cos(angle) * far, y + math.sin(angle) * far)
            for far in (radius + HALF_BADGE + 1 + extra for extra in range(0, 120, 6))
            for angle in (math.pi * step / 6 for step in (-3, -2, -4, -1, -5, 0, 6, 1, 5, 2, 4, 3))
        ]
        inside = [
            (a, b)
            for a, b in spots
            if LEFT + HALF_BADGE < a < WIDTH - RIGHT - HALF_BADGE
            and TOP + HALF_BADGE < b < HEIGHT - BOTTOM - HALF_BADGE
        ]
        free = (
            spot for spot in inside if all(math.dist(spot, (a, b)) >= HALF_BADGE + r for a, b, r in taken)
        )
        a, b = next(free, inside[0])
        taken.append((a, b, HALF_BADGE))
        marks.append(Mark(timing, x=x, y=y, radius=radius, letter_x=a, letter_y=b))
    return tuple(marks)


def draw_strips(
    distributions: Sequence[Distribution], *, logarithmic: bool
) -> tuple[list[Strip], tuple[Tick, ...]]:
    """Lay out distributions on one axis, in percent of its width; return them and the ticks of the axis.

    The axis covers 98 % of each distribution. Samples beyond stand at its ends.

    Args:
        distributions: at least one.
        logarithmic: for times; linear otherwise.
    """
    low = min(quantile(d.samples, 0.01) for d in distributions)
    high = max(quantile(d.samples, 0.99) for d in distributions)
    if logarithmic:
        axis = log_axis(low, high, start=0, end=100)
    else:
        margin = 0.03 * (high - low) or 1.0
        axis = linear_axis(low - margin, high + margin, start=0, end=100, signed=True)
    return [
        Strip(
            tuple(sorted({round(min(max(axis.place(v), 0), 100), 1) for v in d.samples})),
            *map(axis.place, (d.p10, d.p25, d.p50, d.p75, d.p90, d.p99)),
        )
        for d in distributions
    ], axis.ticks
