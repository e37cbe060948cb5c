"""Timing on a busy machine."""

from __future__ import annotations

import time

import pytest

from edgecolor.support.statistics import quantile
from edgecolor.support.timing import Taken, in_turns, ratios, spread


def test_spread_interpolates() -> None:
    found = spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.median, found.repeats) == (3, 5)
    assert (found.p10, found.p90) == pytest.approx((1.4, 4.6))


def test_quantiles_interpolate() -> None:
    ordered = [float(value) for value in range(101)]
    assert [quantile(ordered, q) for q in (0, 0.5, 0.99, 0.995, 1)] == pytest.approx([0, 50, 99, 99.5, 100])
    assert quantile([7.0], 0.99) == 7


def test_tasks_run_in_turns_and_the_first_turn_is_not_counted() -> None:
    order: list[str] = []
    tasks = {name: lambda name=name: order.append(name) for name in "ab"}
    taken = in_turns(tasks, repeats=3)
    assert order == ["a", "b"] * 4
    assert [len(runs) for runs in taken.values()] == [3, 3]


def test_another_programs_time_is_not_counted_as_processor_time() -> None:
    (run_,) = in_turns({"sleep": lambda: time.sleep(0.1)}, repeats=1)["sleep"]
    assert run_.wall >= 0.1
    assert run_.processor < 0.05


def test_ratios_compare_turn_by_turn() -> None:
    # The second turn ran on a machine ten times slower; the ratio does not see it.
    task = [Taken(wall=9, processor=seconds) for seconds in (2, 20, 2)]
    unit = [Taken(wall=9, processor=seconds) for seconds in (1, 10, 1)]
    found = ratios(task, unit)
    assert (found.p10, found.median, found.p90) == (2, 2, 2)
