"""The program of `make demo`, with the trained network of the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import Precision, read

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_demo_exports_and_colors_twelve_photographs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "examples/color_photographs.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for place in ("s_int8.tflite", "colored", "sheets"):
        assert f"{tmp_path.name}/{place}\n" in done.stdout

    assert read(tmp_path / "s_int8.tflite").info.precision is Precision.INT8
    colored = sorted((tmp_path / "colored").glob("*.png"))
    assert len(colored) == len(list((tmp_path / "sheets").iterdir())) == 12
    for path in colored:
        with Image.open(path) as after, Image.open(tmp_path / "gray" / path.name) as before:
            assert after.size == before.size
            drift = np.abs(np.asarray(after.convert("L"), float) - np.asarray(before, float)).mean()
            chroma = np.asarray(after.convert("YCbCr"), float)[..., 1:] - 128
        assert drift <= 1, f"{path.name}: luma moved by {drift:.2f} of 255"
        assert np.abs(chroma).mean() > 2, f"{path.name}: almost no color"
