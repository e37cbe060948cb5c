"""Axes of plots: positions and ticks."""

from __future__ import annotations

import math

import pytest

from edgecolor.support.plot_axes import linear_axis, log_axis


def test_a_linear_axis() -> None:
    axis = linear_axis(-1.0, 1.0, start=100, end=0)
    assert [axis.place(value) for value in (-1, 0, 1)] == [100, 50, 0]
    assert [tick.text for tick in axis.ticks] == ["-1.0", "-0.5", "0.0", "0.5", "1.0"]
    assert [tick.at for tick in axis.ticks] == [100, 75, 50, 25, 0]


def test_signs() -> None:
    assert [tick.text for tick in linear_axis(0, 2, start=0, end=1, signed=True).ticks][-1] == "+2.0"


def test_a_logarithmic_axis() -> None:
    axis = log_axis(1.0, 100.0, start=0, end=100)
    assert axis.place(10.0) == pytest.approx(50)
    assert axis.place(20.0) - axis.place(10.0) == pytest.approx(axis.place(2.0) - axis.place(1.0))
    assert axis.place(1.0) > 0 and axis.place(100.0) < 100, "some room at both ends"
    assert [tick.text for tick in axis.ticks] == ["1", "2", "5", "10", "20", "50", "100"]


@pytest.mark.parametrize("low", [0.001, 0.9, 17.0, 2500.0])
def test_a_narrow_logarithmic_axis_has_ticks(low: float) -> None:
    axis = log_axis(low, 1.2 * low, start=0, end=1)
    assert len(axis.ticks) >= 2
    assert all(0 <= tick.at <= 1 and math.isfinite(tick.at) for tick in axis.ticks)
