"""One short turn of `make bench-ray`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(ROOT / "benchmarks" / "scale_out.py"), str(ROOT / "calibration"), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


def test_a_short_run_has_every_figure() -> None:
    done = run("--count", "100", "--workers", "2", "--turns", "1")
    assert done.returncode == 0, done.stderr
    rows = {line[:38].strip(): line[38:].split() for line in done.stdout.splitlines()[1:]}
    figures = ("start-up, s", "photographs per second", "processor, ms per photograph")
    assert set(rows) == {f"{engine:6} {name}" for engine in ("local", "ray") for name in figures} | {
        "ray / local, time per photograph",
        "ray / local, processor time",
    }
    for values in rows.values():
        low, middle, high = (float(values[i]) for i in (1, 0, 2))
        assert 0 < low <= middle <= high


def test_too_few_photographs_are_one_line() -> None:
    done = run("--count", "100000", "--turns", "1", "--engine", "local")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--count asks for 100000" in done.stderr and done.stderr.count("\n") == 1
