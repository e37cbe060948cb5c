"""Axes of SVG plots: where values lie, and the ticks at round values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """A labeled position on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        place: converts a value to its position in the drawing.
        ticks: at round values, in ascending order.
    """

    place: Callable[[float], float]
    ticks: tuple[Tick, ...]


def linear_axis(low: float, high: float, *, start: float, end: float, signed: bool = False) -> Axis:
    """Return a linear axis from `low`, drawn at `start`, to `high`, drawn at `end`, with about five ticks.

    Args:
        low: the smallest value, below `high`.
        high: the largest value.
        start: the position of `low` in the drawing.
        end: the position of `high`.
        signed: label positive values with a plus sign.
    """
    place = _linear(low, high, start, end)
    sign = "+" if signed else ""
    ticks = (Tick(place(value), f"{value:{sign}.{digits}f}") for value, digits in _round_values(low, high))
    return Axis(place, tuple(ticks))


def log_axis(low: float, high: float, *, start: float, end: float) -> Axis:
    """Return a logarithmic axis from a little before `low` to a little after `high`.

    Args:
        low: the smallest value, above 0.
        high: the largest value.
        start: the position of the beginning of the axis in the drawing.
        end: the position of its end.
    """
    low, high = low / 1.25, high * 1.25
    place = _linear(math.log(low), math.log(high), start, end)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high / low > 4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    values = [digit * 10.0**power for power in powers for digit in digits]
    ticks = tuple(Tick(place(math.log(v)), f"{v:,.10g}") for v in values if low <= v <= high)
    return Axis(lambda value: place(math.log(value)), ticks)


def _linear(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _round_values(low: float, high: float) -> list[tuple[float, int]]:
    """Return about five round values from `low` to `high`, each with its number of decimals."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= (high - low) / 6)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [(i * step + 0.0, digits) for i in range(first, last + 1)]
