"""The statistics of a live loop cover ten seconds, whatever the frame rate."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame, Shot
from edgecolor_runtime.live.statistics import StatisticsCounter

FRAME = ColorFrame(Image.new("L", (8, 8)), np.zeros((56, 56, 2), np.float32))


class Camera:
    """Counts frames on a clock that the test sets."""

    def __init__(self) -> None:
        self.seconds, self.number = 100.0, 0
        self.counter = StatisticsCounter("camera", "tiny", now=lambda: self.seconds)

    def send(self, seconds: float, rate: float, milliseconds: float) -> None:
        for _ in range(round(seconds * rate)):
            self.seconds += 1 / rate
            shot = Shot(self.number, FRAME, self.seconds, times={"capture": milliseconds / 1000})
            self.counter.add(shot, "capture")
            self.number += 1


@pytest.mark.parametrize("rate", [2.0, 30.0, 120.0])
def test_the_rate_of_the_last_ten_seconds(rate: float) -> None:
    camera = Camera()
    camera.send(0.5 + 1 / rate, rate, 40)
    assert camera.counter.snapshot().fps == pytest.approx(rate, rel=0.05), "from the start on"
    camera.send(30, rate, 40)
    camera.send(10, rate / 2, 80)
    statistics = camera.counter.snapshot()
    assert statistics.fps == pytest.approx(rate / 2, rel=0.1)
    assert statistics.latency_ms is not None and statistics.latency_ms.p50 == 80
    assert (statistics.frames, statistics.latency_from) == (camera.number, "capture")


def test_a_stalled_camera_shows_zero() -> None:
    camera = Camera()
    camera.send(20, 30, 40)
    camera.seconds += 5
    assert camera.counter.snapshot().fps == pytest.approx(15, rel=0.05)
    camera.seconds += 6
    statistics = camera.counter.snapshot()
    assert (statistics.fps, statistics.latency_ms, statistics.stages_ms["capture"]) == (0, None, None)
    assert statistics.frames == 600


def test_a_finished_film_keeps_its_figures() -> None:
    camera = Camera()
    camera.send(20, 30, 40)
    camera.counter.end()
    camera.seconds += 60
    assert camera.counter.snapshot().fps == pytest.approx(30, rel=0.05)


def test_before_the_first_frame() -> None:
    statistics = Camera().counter.snapshot()
    assert (statistics.fps, statistics.frames, statistics.latency_ms, statistics.size) == (0, 0, None, None)
