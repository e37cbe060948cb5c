"""The benchmark of stable colors, on the clips that it makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_stabilized_colors_follow_the_motion_better() -> None:
    line = [sys.executable, str(ROOT / "benchmarks" / "motion.py"), "--frames", "24"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=300)
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in done.stdout.splitlines()
        if row.startswith(("| shaking", "| night"))
    ]
    assert len(rows) == 10
    errors = {(clip, colors): float(warp) for clip, colors, warp, *_ in rows}
    for clip in ("shaking", "night"):
        assert errors[clip, "stabilized"] < errors[clip, "each frame alone"] / 2
        assert errors[clip, "network on 1 of 3"] < errors[clip, "each frame alone"] / 2
