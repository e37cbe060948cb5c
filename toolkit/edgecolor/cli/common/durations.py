"""Durations on the command line, with a unit or without: 10s, 500ms, 2min, 1.5h."""

from __future__ import annotations

import re
from collections.abc import Callable

import typer

_SECONDS_BY_UNIT = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)\s*(ms|s|min|h|)")


def parse_duration(text: str, *, unit: str) -> float:
    """Return a duration in a unit.

    Args:
        text: a number of at least 0 with one of the units ms, s, min and h. A number without a unit counts in
            `unit`.
        unit: the unit of the result: "ms", "s", "min" or "h".

    Raises:
        BadParameter: the text is not a duration.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration. Write for example 500ms, 10s, 2min or 1h.")
    number = float(match[1])
    if match[2] in ("", unit):
        return number
    return number * _SECONDS_BY_UNIT[match[2]] / _SECONDS_BY_UNIT[unit]


def duration_parser(unit: str, *, minimum: float = 0) -> Callable[[str], float]:
    """Return the `parser` of an option whose values without a unit count in `unit`.

    Args:
        unit: as for `parse_duration`.
        minimum: smallest duration that the option takes, in `unit`.
    """

    def duration(value: str | float) -> float:
        number = parse_duration(str(value), unit=unit)  # Typer also passes the default, which is a number
        if number < minimum:
            raise typer.BadParameter(f"{value} is too short. Write {minimum:g}{unit} or more.")
        return number

    return duration
