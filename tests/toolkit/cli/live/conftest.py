"""Fixtures of the tests of cameras and videos: a short run, and a check for leaks."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime.sources import latest

MODEL = Path(__file__).parents[3] / "edge_runtime" / "data" / "tiny-int8.tflite"


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
