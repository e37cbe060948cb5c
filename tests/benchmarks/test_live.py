"""The benchmark of the live camera, for a few seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(ROOT / "benchmarks" / "live.py"), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


def test_a_short_run_has_every_figure() -> None:
    done = run("--minutes", "0.06", "--json", "--model", str(TINY))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert 3.6 <= report["seconds"] < 60 and 0 < report["frames"] <= 60 and report["dropped"] >= 0
    for figures in (report["latency"], report["alone"] or report["latency"]):
        assert 0 <= figures["p50"] <= figures["p90"] <= figures["p99"] <= figures["worst"]
    assert 0 < report["processor"] < 1.5
    assert len(report["memory"]) == 1 and 20 < report["memory"][0] < 500


def test_a_bad_model_is_one_line_and_its_exit_code(tmp_path: Path) -> None:
    done = run("--model", str(tmp_path / "none.tflite"))
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == f"live.py: {tmp_path / 'none.tflite'}: no such model file\n"
