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


def color_photographs(out: Path, *options: str) -> str:
    """Run the program and return what it prints."""
    program = REPOSITORY / "examples/color_photographs.py"
    done = subprocess.run(
        [sys.executable, program, *options, out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("This is what you get: 12 gray photographs in color")
    for place in ("colored", "sheets", "sheet.jpg"):
        assert f"{out.name}/{place}\n" in done.stdout
    return done.stdout


def test_demo_colors_twelve_photographs_with_the_shipped_model(tmp_path: Path) -> None:
    color_photographs(tmp_path)
    assert not (tmp_path / "s_int8.tflite").exists()
    colored = sorted((tmp_path / "colored").glob("*.png"))
    assert len(colored) == len(list((tmp_path / "sheets").iterdir())) == 12
    for path in colored:
        with Image.open(path) as after, Image.open(tmp_path / "gray" / path.name) as before:
            assert after.size == before.size
            drift = np.abs(np.asarray(after.convert("L"), float) - np.asarray(before, float)).mean()
            chroma = np.asarray(after.convert("YCbCr"), float)[..., 1:] - 128
        assert drift <= 1, f"{path.name}: luma moved by {drift:.2f} of 255"
        assert np.abs(chroma).mean() > 2, f"{path.name}: almost no color"


@pytest.mark.slow
def test_demo_with_export_makes_the_same_pictures(tmp_path: Path) -> None:
    exported, shipped = tmp_path / "exported", tmp_path / "shipped"
    assert "exported/s_int8.tflite\n" in color_photographs(exported, "--export")
    color_photographs(shipped)
    assert read(exported / "s_int8.tflite").info.precision is Precision.INT8
    assert (exported / "sheet.jpg").read_bytes() == (shipped / "sheet.jpg").read_bytes()


def test_make_demo_needs_only_the_base_install() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    assert "\ndemo: $(BASE)\n" in makefile and "\ndemo-export: $(READY)\n" in makefile
