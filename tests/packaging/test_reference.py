"""The reference pages are those that scripts/api_reference.py writes from the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / "docs/reference"


def test_the_reference_is_up_to_date() -> None:
    command = [sys.executable, "scripts/api_reference.py", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_every_page_has_contents() -> None:
    for name, heading in (
        ("edgecolor.md", "## train"),
        ("edgecolor_runtime.md", "## Colorizer"),
        ("commands.md", "## export"),
    ):
        text = (REFERENCE / name).read_text("utf-8")
        assert f"\n{heading}\n" in text
        assert text.count("\n## ") > 10
