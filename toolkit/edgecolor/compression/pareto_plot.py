"""The plot of a width search as SVG: accuracy against latency, with the line of the unbeaten candidates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgecolor.support.plot_axes import Axis, linear_axis, log_axis

if TYPE_CHECKING:
    from edgecolor.compression.candidates import Candidate

WIDTH, HEIGHT = 800, 500
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 44, 56  # margins
SQUARE_UNITS_PER_KILOBYTE = 0.8  # area of a mark

TRIAL_COLOR, START_COLOR, CHOICE_COLOR = "#1f77b4", "#000000", "#d62728"


def pareto_svg(
    start: Candidate, trials: Sequence[Candidate], pareto: Sequence[Candidate], choice: Candidate
) -> str:
    """Return the plot as SVG. The area of a mark is proportional to the size of the int8 file.

    Args:
        start: the network that the search began with.
        trials: every candidate.
        pareto: the candidates that no other one beats, fastest first.
        choice: the chosen candidate after its further training.
    """
    everything = (*trials, start, choice)
    latencies, accuracies = [c.latency for c in everything], [c.psnr for c in everything]
    x = log_axis(min(latencies), max(latencies), start=LEFT, end=WIDTH - RIGHT)
    margin = max(0.12 * (max(accuracies) - min(accuracies)), 0.05)
    lowest, highest = min(accuracies) - margin, max(accuracies) + margin
    y = linear_axis(lowest, highest, start=HEIGHT - BOTTOM, end=TOP)
    unbeaten = [c for c in pareto if not any(o.latency <= c.latency and o.psnr > c.psnr for o in pareto)]
    points = " ".join(f"{x.place(c.latency):.1f},{y.place(c.psnr):.1f}" for c in unbeaten)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_axis_lines(x, y),
        f'<polyline points="{points}" fill="none" stroke="#999999"/>',
    ]
    for candidates, color in ((trials, TRIAL_COLOR), ([start], START_COLOR), ([choice], CHOICE_COLOR)):
        for candidate in candidates:
            lines += _mark_lines(candidate, color, x, y)
    return "\n".join([*lines, *_legend_lines(), "</svg>"]) + "\n"


def _axis_lines(x: Axis, y: Axis) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in x.ticks:
        yield f'<path d="M{tick.at:.1f} {TOP}V{bottom}" stroke="#e5e5e5"/>'
        yield _text(tick.at, bottom + 18, tick.text, anchor="middle")
    for tick in y.ticks:
        yield f'<path d="M{LEFT} {tick.at:.1f}H{right}" stroke="#e5e5e5"/>'
        yield _text(LEFT - 8, tick.at + 4, tick.text, anchor="end")
    middle = (LEFT + right) / 2
    yield _text(middle, bottom + 42, "int8 latency, ms on one thread (logarithmic)", anchor="middle")
    yield (
        f'<g transform="translate(18 {(TOP + bottom) / 2}) rotate(-90)">'
        f"{_text(0, 0, 'PSNR at 56 % colorfulness, dB', anchor='middle')}</g>"
    )


def _mark_lines(candidate: Candidate, color: str, x: Axis, y: Axis) -> Iterator[str]:
    left, top = x.place(candidate.latency), y.place(candidate.psnr)
    radius = math.sqrt(candidate.size * SQUARE_UNITS_PER_KILOBYTE / math.pi)
    label = f"{candidate.alpha:g}, {candidate.width}"
    figures = f"{candidate.latency:.2f} ms, {candidate.psnr:.2f} dB"
    title = f"alpha {candidate.alpha:g}, width {candidate.width}: {figures}"
    yield (
        f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{radius:.1f}" fill="{color}" fill-opacity="0.8">'
        f"<title>{title}</title></circle>"
    )
    yield _text(left + radius * 0.7 + 2, top + radius * 0.7 + 10, label)


def _legend_lines() -> Iterator[str]:
    yield _text(LEFT, 26, "alpha, decoder width; area: file size")
    names = (
        (TRIAL_COLOR, "trial"),
        (START_COLOR, "starting network"),
        (CHOICE_COLOR, "choice, trained further"),
    )
    left = WIDTH - RIGHT - 380
    for color, name in names:
        yield f'<circle cx="{left}" cy="22" r="5" fill="{color}"/>'
        yield _text(left + 10, 26, name)
        left += 10 + 8 * len(name) + 16


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
