"""Pictures that do not fit into the memory together are colored one after the other."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from edgecolor.batch import local_engine
from edgecolor.batch.memory_budget import MemoryBudget
from edgecolor.cli import main
from edgecolor_runtime.images.reader import estimate_memory

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
WAIT_SECONDS = 60


PEAK = """
import sys
from edgecolor.cli import main
from edgecolor_runtime.system.machine import read_peak_memory
for path in sys.argv[1:]:
    assert main(["run", path, "--quiet"]) == 0
    print(read_peak_memory(), file=sys.stderr)
"""


def hold(budget: MemoryBudget, need: int, begun: threading.Event, release: threading.Event) -> None:
    with budget.reserved(need):
        begun.set()
        assert release.wait(WAIT_SECONDS)


def test_what_fits_runs_together_and_what_does_not_waits() -> None:
    budget = MemoryBudget(10)
    (first, first_end), (second, second_end), (third, third_end) = (
        (threading.Event(), threading.Event()) for _ in range(3)
    )
    with ThreadPoolExecutor(3) as pool:
        pool.submit(hold, budget, 6, first, first_end)
        pool.submit(hold, budget, 4, second, second_end)
        assert first.wait(WAIT_SECONDS) and second.wait(WAIT_SECONDS)
        pool.submit(hold, budget, 1, third, third_end)
        assert not third.wait(0.1)
        first_end.set()
        assert third.wait(WAIT_SECONDS)
        second_end.set()
        third_end.set()


def test_a_picture_larger_than_the_budget_runs_alone_and_is_not_overtaken() -> None:
    budget = MemoryBudget(10)
    (small, small_end), (large, large_end), (late, late_end) = (
        (threading.Event(), threading.Event()) for _ in range(3)
    )
    with ThreadPoolExecutor(3) as pool:
        pool.submit(hold, budget, 1, small, small_end)
        assert small.wait(WAIT_SECONDS)
        pool.submit(hold, budget, 99, large, large_end)
        while not budget._turn.locked():  # the large picture waits
            threading.Event().wait(0.01)
        pool.submit(hold, budget, 1, late, late_end)
        assert not late.wait(0.1) and not large.is_set()
        small_end.set()
        assert large.wait(WAIT_SECONDS)
        assert not late.wait(0.1)
        large_end.set()
        assert late.wait(WAIT_SECONDS)
        late_end.set()


def test_without_a_limit_nothing_waits() -> None:
    budget = MemoryBudget(None)
    with budget.reserved(1 << 60), budget.reserved(1 << 60):
        pass


def test_what_waits_gives_up_when_the_run_ends() -> None:
    budget = MemoryBudget(10)
    with budget.reserved(10), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hold, budget, 5, threading.Event(), threading.Event())
        budget.close()
        assert isinstance(waiting.exception(WAIT_SECONDS), CancelledError)


@pytest.mark.parametrize(("free", "together"), [(None, 2), (1 << 30, 2), (1, 1)])
def test_a_folder_run_respects_the_free_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int | None, together: int
) -> None:
    """Two pictures meet while they are colored, if both are admitted."""
    (tmp_path / "album").mkdir()
    for number in range(2):
        Image.new("L", (90, 60), 90).save(tmp_path / "album" / f"{number}.jpg")
    color, both = local_engine.color_one, threading.Barrier(2)
    lock, working, most = threading.Lock(), 0, 0

    def color_together(*arguments: object) -> object:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        if together == 2:
            both.wait(WAIT_SECONDS)
        try:
            return color(*arguments)  # type: ignore[arg-type]
        finally:
            with lock:
                working -= 1

    monkeypatch.setattr(local_engine, "color_one", color_together)
    monkeypatch.setattr(local_engine, "read_free_memory", lambda: free)
    words = ["run", str(tmp_path / "album"), "-o", str(tmp_path / "out"), "--model", str(MODEL)]
    assert main([*words, "--threads", "2"]) == 0
    assert most == together and len(list((tmp_path / "out").glob("*.jpg"))) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("mode", "name"), [("L", "a.jpg"), ("RGB", "a.jpg"), ("RGBA", "a.png")])
def test_a_picture_takes_no_more_than_its_estimate(tmp_path: Path, mode: str, name: str) -> None:
    (tmp_path / "small").mkdir()
    small, large = tmp_path / "small" / name, tmp_path / name
    image = Image.new(mode, (8, 8), 0)
    image.putpixel((0, 0), 90 if mode == "L" else (250, 20, 20, 128)[: len(mode)])
    image.save(small)
    image.resize((4000, 2500)).save(large)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, small, large], capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stderr.split())
    taken, estimated = after - before, estimate_memory(large)
    assert estimated / 3 < taken < estimated * 1.2


LITTLE_MEMORY = """
import sys
from edgecolor.batch import local_engine
from edgecolor.cli import main
from edgecolor_runtime.system.machine import read_peak_memory
local_engine.read_free_memory = lambda: 1
for folder in sys.argv[1:]:
    assert main(["run", folder, "-o", folder + "-out", "--threads", "8", "--quiet"]) == 0
    print(read_peak_memory(), file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_several_large_pictures_do_not_add_up(tmp_path: Path) -> None:
    """Each thread gives the memory of its picture back before the next one begins."""
    image = Image.new("RGB", (8, 8), (250, 20, 20))
    folders = tmp_path / "small", tmp_path / "large"
    for folder, size in zip(folders, ((60, 40), (4000, 2500)), strict=True):
        folder.mkdir()
        for number in range(8):
            image.resize(size).save(folder / f"{number}.jpg")
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, *folders], capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stderr.split())
    # Each thread could keep what it freed. The memory of one picture itself varies by a factor of two.
    assert after - before < 3 * estimate_memory(folders[1] / "0.jpg")
