"""The benchmark: a short real run, and the arithmetic under its figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "benchmarks" / "bench.py"
TINY = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"


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
    for library in ("skimage", "opencv"):
        for ours in ("(a) gray to RGB", "(b) gray to JPEG bytes"):
            assert f"{ours}, {library} Lab" in units
    assert set(start) == {"import to first photo, s", "whole process, s", "peak resident memory, MB"}
    assert start["import to first photo, s"]["median"] < start["whole process, s"]["median"]
    assert 20 < start["peak resident memory, MB"]["median"] < 500
    assert "Pillow YCbCr to RGB" not in units
    assert report["left_out"] == [
        f"invoke float32: {tmp_path / 'none.keras'} does not exist; name a .keras with --reference"
    ]


def test_a_bad_model_is_one_line_and_its_exit_code(tmp_path: Path) -> None:
    done = run("--quick", "--model", str(tmp_path / "none.tflite"))
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == f"bench.py: {tmp_path / 'none.tflite'}: no such model file\n"
