"""The emulated devices as a test, skipped if their packages cannot be downloaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.emulated
def test_emulated_devices_color_as_this_machine() -> None:
    script = Path(__file__).with_name("emulate.py")
    done = subprocess.run([sys.executable, script], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 4:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
