"""The picture of colors by hand in the documentation is what the script draws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]


def test_the_picture_of_the_documentation_can_be_drawn_again(tmp_path: Path) -> None:
    words = ["examples/photographs/kodim23.jpg", "docs/by-hand.hints.json", "-o", str(tmp_path / "again.jpg")]
    subprocess.run([sys.executable, "scripts/draw_hints.py", *words], cwd=ROOT, check=True)
    with Image.open(tmp_path / "again.jpg") as again, Image.open(ROOT / "docs/by-hand.jpg") as shown:
        difference = np.abs(np.asarray(again).astype(int) - np.asarray(shown))
    assert difference.mean() < 2
