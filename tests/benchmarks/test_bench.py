"""The benchmark: a short real run, and the arithmetic under its figures."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "benchmarks" / "bench.py"
TINY = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"


def timing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("timing", BENCH.with_name("timing.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCH, *words], capture_output=True, text=True, check=False, timeout=300
    )


def test_a_quick_run_has_every_figure(tmp_path: Path) -> None:
    done = run("--quick", "--json", "--model", str(TINY), "--reference", str(tmp_path / "none.keras"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    milliseconds, units, start = report["milliseconds"], report["units"], report["start"]
    assert set(report["processor"]) == set(milliseconds)
    assert {
        "Pillow YCbCr to RGB",
        "(a) gray to merged YCbCr",
        "(b) gray to JPEG bytes",
        "invoke int8",
        "photo to photo",
    } <= set(milliseconds)
    for spread in [*milliseconds.values(), *units.values(), *start.values()]:
        assert 0 < spread["p10"] <= spread["median"] <= spread["p90"]
    assert set(start) == {"import to first photo, s", "whole process, s", "peak resident memory, MB"}
    assert start["import to first photo, s"]["median"] < start["whole process, s"]["median"]
    assert 20 < start["peak resident memory, MB"]["median"] < 500
    assert "Pillow YCbCr to RGB" not in units
    assert report["left_out"] == [
        f"invoke float32: {tmp_path / 'none.keras'} is not there; name a .keras with --reference"
    ]


def test_a_bad_model_is_one_line_and_its_exit_code(tmp_path: Path) -> None:
    done = run("--quick", "--model", str(tmp_path / "none.tflite"))
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == f"bench.py: {tmp_path / 'none.tflite'}: no such model file\n"


def test_spread_interpolates() -> None:
    found = timing().spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.median, found.p10, found.p90, found.repeats) == (
        3,
        pytest.approx(1.4),
        pytest.approx(4.6),
        5,
    )


def test_tasks_run_in_turns_and_the_first_turn_is_not_counted() -> None:
    order: list[str] = []
    tasks = {name: lambda name=name: order.append(name) for name in "ab"}
    taken = timing().in_turns(tasks, repeats=3)
    assert order == ["a", "b"] * 4
    assert [len(runs) for runs in taken.values()] == [3, 3]


def test_another_programs_time_is_not_counted_as_processor_time() -> None:
    (run_,) = timing().in_turns({"sleep": lambda: time.sleep(0.1)}, repeats=1)["sleep"]
    assert run_.wall >= 0.1
    assert run_.processor < 0.05


def test_ratios_compare_turn_by_turn() -> None:
    # The second turn ran on a machine ten times slower; the ratio does not see it.
    module = timing()
    task = [module.Taken(wall=9, processor=seconds) for seconds in (2, 20, 2)]
    unit = [module.Taken(wall=9, processor=seconds) for seconds in (1, 10, 1)]
    found = module.ratios(task, unit)
    assert (found.p10, found.median, found.p90) == (2, 2, 2)
