"""Exported files are timed in turns."""

from __future__ import annotations

from edgecolor.support.timing import ratios
from edgecolor.tflite.latency import invoke_times
from edgecolor_runtime.models.shipped import read_shipped


def test_the_larger_network_takes_longer() -> None:
    times = invoke_times({name: read_shipped(name).flatbuffer for name in "sm"}, repeats=20)
    assert [len(taken) for taken in times.values()] == [20, 20]
    assert ratios(times["m"], times["s"]).median > 1.2
