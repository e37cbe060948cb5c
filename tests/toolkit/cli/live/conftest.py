"""Fixtures of the tests of cameras and videos: a short run, and a check for leaks."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime.sources import latest

from .films import MODEL, H, W


@pytest.fixture
def run() -> Callable[..., int]:
    """Returns the function that runs `edgecolor run` with the tiny model on one core."""

    def command(*arguments: object) -> int:
        return main(["run", *map(str, arguments), "--model", str(MODEL), "--threads", "1"])

    return command


@pytest.fixture
def watch(run: Callable[..., int]) -> Callable[..., int]:
    """Returns the function that colors five frames of a camera without a preview."""
    return lambda *arguments: run("--camera", *arguments, "--no-preview", "--stats", "--frames", 5)


@pytest.fixture
def last_stats(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, Any]]:
    """Returns the function that reads the last line of --stats."""
    return lambda: json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the time after which a camera counts as gone, and the time between attempts."""
    monkeypatch.setattr(latest, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(latest, "STALL_SECONDS", 0.7)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Opens what a process opens once and keeps open."""
    photo = tmp_path_factory.mktemp("warm") / "a.png"
    Image.new("L", (64, 48), 90).save(photo)
    assert main(["run", str(photo), "--model", str(MODEL), "--threads", "1"]) == 0


def _open_resources() -> tuple[set[threading.Thread], int]:
    gc.collect()
    return set(threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def no_leaks(warm: None) -> Iterator[None]:
    """Checks that a test leaves no thread and no open file descriptor."""
    threads, descriptors = _open_resources()
    yield
    deadline = time.monotonic() + 60
    while (now := _open_resources()) and not (now[0] <= threads and now[1] <= descriptors):
        assert time.monotonic() < deadline, f"before {threads}, {descriptors} descriptors; now {now}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of forty frames with a gradient that moves, and silent audio."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    gradient = np.tile(np.linspace(30, 220, W), (H, 1)).astype(np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        track: Any = out.add_stream("aac", rate=48_000)
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.roll(gradient, number, 1), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 76_800), np.float32), "fltp", "mono")
        sound.rate, sound.pts = 48_000, 0
        out.mux(track.encode(sound))
        out.mux(track.encode(None))
    return path


@pytest.fixture
def here(tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the video in it."""
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path
