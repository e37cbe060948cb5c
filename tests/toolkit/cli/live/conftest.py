"""What the tests of cameras and videos share: one short run, and a count of threads and descriptors."""

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
    """`edgecolor run` with the tiny model on one core."""

    def command(*arguments: object) -> int:
        return main(["run", *map(str, arguments), "--model", str(MODEL), "--threads", "1"])

    return command


@pytest.fixture
def watch(run: Callable[..., int]) -> Callable[..., int]:
    """Five frames of a camera, without a preview."""
    return lambda *arguments: run("--camera", *arguments, "--no-preview", "--stats", "--frames", 5)


@pytest.fixture
def last_stats(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, Any]]:
    """The last line of --stats."""
    return lambda: json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras that stall are given up soon, and tried again soon."""
    monkeypatch.setattr(latest, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(latest, "STALL_SECONDS", 0.7)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a process opens once, and keeps, is open."""
    photo = tmp_path_factory.mktemp("warm") / "a.png"
    Image.new("L", (64, 48), 90).save(photo)
    assert main(["run", str(photo), "--model", str(MODEL), "--threads", "1"]) == 0


def _held() -> tuple[set[threading.Thread], int]:
    gc.collect()
    return set(threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def no_leaks(warm: None) -> Iterator[None]:
    """After each test threads and descriptors are back to those from before."""
    threads, descriptors = _held()
    yield
    patience = time.monotonic() + 3
    while (now := _held()) and not (now[0] <= threads and now[1] <= descriptors):
        assert time.monotonic() < patience, f"before {threads}, {descriptors} descriptors; now {now}"
        time.sleep(0.05)
