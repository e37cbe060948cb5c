"""The layout of the drawings of a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecolor.records.reader import read_record
from edgecolor.records.types import BenchRecord, EvaluationRecord
from edgecolor.report.build import build_report
from edgecolor.report.drawing import HALF_BADGE, MAX_RADIUS, draw_plot, draw_strips
from edgecolor.support.statistics import distribution

from ..changed_records import Record, evaluation_of, timing_of, write


def test_letters_lie_apart_and_areas_are_sizes(evaluated: Record, benched: Record, tmp_path: Path) -> None:
    """Ten files at nearly one place."""
    names = {f"file-{i}": 10 + 0.01 * i for i in range(10)}
    evaluations = []
    for i, name in enumerate(names):
        record = read_record(write(tmp_path / name, evaluation_of(evaluated, name, bytes=100_000 * (i + 1))))
        assert isinstance(record, EvaluationRecord)
        evaluations.append(record)
    times = read_record(write(tmp_path / "times", timing_of(benched, **names)))
    assert isinstance(times, BenchRecord)
    (device,) = build_report(evaluations, [times], within=0.1).devices
    drawn = draw_plot(device.timings, device.unbeaten, reference_g56=None)
    assert drawn is not None and len(drawn.marks) == 10
    places = [(mark.letter_x, mark.letter_y) for mark in drawn.marks]
    apart = [abs(a - c) + abs(b - d) for i, (a, b) in enumerate(places) for c, d in places[:i]]
    assert min(apart) >= 2 * HALF_BADGE
    for mark in drawn.marks:
        assert mark.radius**2 == pytest.approx(MAX_RADIUS**2 * mark.timing.file.identity.bytes / 1_000_000)
    assert [mark.radius for mark in drawn.marks] == sorted((m.radius for m in drawn.marks), reverse=True)


@pytest.mark.parametrize("values", [[5.0], [1.0, 1.5], [3.0, 200.0], [0.004, 12345.0]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_axes_hold_what_they_show(values: list[float], logarithmic: bool) -> None:
    (drawn,), ticks = draw_strips([distribution(values)], logarithmic=logarithmic)
    quantiles = [drawn.p10, drawn.p25, drawn.p50, drawn.p75, drawn.p90, drawn.p99]
    assert quantiles == sorted(quantiles)
    lowest, highest = drawn.samples[0], drawn.samples[-1]  # to a tenth
    assert 0 <= lowest <= quantiles[0] + 0.1 and quantiles[-1] - 0.1 <= highest <= 100
    places = [tick.at for tick in ticks]
    assert places == sorted(places) and places and places[0] >= 0 and places[-1] <= 100
    assert len({tick.text for tick in ticks}) == len(ticks) < 25


def test_one_sample_far_out_does_not_squeeze_the_others() -> None:
    (drawn,), _ = draw_strips([distribution([-1000.0, *map(float, range(200))])], logarithmic=False)
    assert drawn.p10 < 15 and drawn.p90 > 85 and drawn.samples[0] == 0
