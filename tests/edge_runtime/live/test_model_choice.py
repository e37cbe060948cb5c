"""The model of a live session depends on the speed of this machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from edgecolor_runtime import Colorizer, LiveOptions, LiveSession
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.live import model_choice


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[tuple[int, int]]:
    """Let every frame take so long, by the clock of the measurement. Return the sizes of colored frames."""
    clock = [0.0]
    monkeypatch.setattr(model_choice, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    colorize = Colorizer.colorize
    sizes: list[tuple[int, int]] = []

    def slow(self: Colorizer, gray: Image.Image) -> ColorFrame:
        sizes.append(gray.size)
        clock[0] += seconds
        return colorize(self, gray)

    monkeypatch.setattr(Colorizer, "colorize", slow)
    return sizes


def test_a_fast_machine_takes_the_better_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_choice, "FRAME_SECONDS", 10)
    choice = model_choice.choose_model(Colorizer.shipped, (640, 480))
    assert (choice.name, choice.colorizer.model.info.name) == ("m", "m")
    assert choice.reason.startswith("model m (medium, better colors): with m, a frame of 640 x 480 takes ")


@pytest.mark.parametrize("seconds", [0.06, 0.5])
def test_a_slow_machine_takes_the_fast_model(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    sizes = slow_down(monkeypatch, seconds)
    choice = model_choice.choose_model(Colorizer.shipped, (320, 240))
    assert len(sizes) * seconds < 1
    assert (choice.name, choice.colorizer.model.info.name) == ("s", "s")
    assert choice.reason.startswith("model s (small, fast): ") and "25 frames per second" in choice.reason
    assert set(sizes) == {(320, 240)} and (len(sizes) == 1) == (seconds == 0.5)


def test_a_session_measures_once_and_reports_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sizes = slow_down(monkeypatch, 0.06)
    messages: list[str] = []
    folder = tmp_path / "frames"
    make_frames(folder)
    options = LiveOptions(output=tmp_path / "out", max_frames=2)
    with LiveSession(folder, options) as session:
        result = session.run(on_message=messages.append)
    assert result.statistics.model == "s" and set(sizes) == {(640, 480)}
    (message,) = messages
    assert message.startswith("model s (small, fast): ")


def test_a_named_model_is_not_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sizes = slow_down(monkeypatch, 0)
    messages: list[str] = []
    folder = tmp_path / "frames"
    make_frames(folder)
    options = LiveOptions(model="m", output=tmp_path / "out", max_frames=2)
    with LiveSession(folder, options) as session:
        assert session.run(on_message=messages.append).statistics.model == "m"
    assert messages == [] and sizes == []


def make_frames(folder: Path) -> None:
    """Write three gray pictures into a folder, to be played like a camera."""
    folder.mkdir()
    for number in range(3):
        Image.linear_gradient("L").save(folder / f"{number}.png")
