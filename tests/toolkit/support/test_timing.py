"""Timing on a busy machine."""

from __future__ import annotations

import time

import pytest

from edgecolor.support.statistics import quantile
from edgecolor.support.timing import TimedRun, in_turns, ratios, spread


def test_spread_interpolates() -> None:
    result = spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (result.median, result.repeats) == (3, 5)
    assert (result.p10, result.p90) == pytest.approx((1.4, 4.6))


def test_quantiles_interpolate() -> None:
    ordered = [float(value) for value in range(101)]
    assert [quantile(ordered, q) for q in (0, 0.5, 0.99, 0.995, 1)] == pytest.approx([0, 50, 99, 99.5, 100])
    assert quantile([7.0], 0.99) == 7


def test_tasks_run_in_turns_and_the_first_turn_is_not_counted() -> None:
    order: list[str] = []
    tasks = {name: lambda name=name: order.append(name) for name in "ab"}
    runs = in_turns(tasks, repeats=3)
    assert order == ["a", "b"] * 4
    assert [len(each) for each in runs.values()] == [3, 3]


def test_another_programs_time_is_not_counted_as_processor_time() -> None:
    (run,) = in_turns({"sleep": lambda: time.sleep(0.1)}, repeats=1)["sleep"]
    assert run.wall >= 0.1
    assert run.processor < 0.05


def test_ratios_compare_turn_by_turn() -> None:
    # The second turn ran on a machine ten times slower; the ratio does not see it.
    task = [TimedRun(wall=9, processor=seconds) for seconds in (2, 20, 2)]
    unit = [TimedRun(wall=9, processor=seconds) for seconds in (1, 10, 1)]
    result = ratios(task, unit)
    assert (result.p10, result.median, result.p90) == (2, 2, 2)
