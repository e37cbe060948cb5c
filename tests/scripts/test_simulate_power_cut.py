"""A few simulated power cuts; `scripts/simulate_power_cut.py` does many."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate_power_cut.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or not Path("/dev/loop-control").exists(),
        reason="root and loop devices are needed",
    ),
]


def cut(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("file_system", ["ext4", "xfs"])
def test_a_folder_is_whole_after_power_cuts(file_system: str) -> None:
    if shutil.which(f"mkfs.{file_system}", path=f"{os.environ['PATH']}:/sbin:/usr/sbin") is None:
        pytest.skip(f"mkfs.{file_system} is not installed")
    output = cut("run", "--cuts", 3, "--file-system", file_system)
    assert output.count("the same command again: whole") == 3
    assert output.endswith(f"3 cuts of `edgecolor run` on {file_system}: 0 wrong\n")


def test_training_loses_no_epoch_in_power_cuts() -> None:
    assert cut("train", "--cuts", 2).endswith("2 cuts of `edgecolor train` on ext4: 0 wrong\n")
