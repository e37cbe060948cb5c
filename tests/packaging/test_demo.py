"""The program of `make demo`, with the trained network of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import Precision, read

REPOSITORY = Path(__file__).resolve().parents[2]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def color_photographs(out: Path, *options: str) -> str:
    """Run the program and return what it prints."""
    program = REPOSITORY / "examples/color_photographs.py"
    done = subprocess.run(
        [sys.executable, program, *options, out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for place in ("colored", "sheets", "sheet.jpg"):
        assert f"{out.name}/{place}\n" in done.stdout
    return done.stdout


def test_demo_colors_twelve_photographs_with_the_shipped_model(tmp_path: Path) -> None:
    color_photographs(tmp_path)
    assert not (tmp_path / "m_int8.tflite").exists()
    colored = sorted((tmp_path / "colored").glob("*.png"))
    assert len(colored) == len(list((tmp_path / "sheets").iterdir())) == 12
    assert (tmp_path / "gray-beside-colored.jpg").is_file()
    drawn = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert drawn == {path.name for path in (REPOSITORY / "docs/gallery").iterdir()}
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
    assert "exported/m_int8.tflite\n" in color_photographs(exported, "--export")
    color_photographs(shipped)
    assert read(exported / "m_int8.tflite").info.precision is Precision.INT8
    assert (exported / "sheet.jpg").read_bytes() == (shipped / "sheet.jpg").read_bytes()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile and both pyproject.toml files, without an environment."""
    for name in ("Makefile", "pyproject.toml", "edge_runtime/pyproject.toml"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(REPOSITORY / name, target)
        os.utime(target, (1000, 1000))
    (tmp_path / ".venv").mkdir()
    return tmp_path


def planned_installs(checkout: Path, target: str) -> list[str]:
    """Return what `make TARGET` would install: "base", "dev" or both."""
    commands = subprocess.run(
        ["make", "--dry-run", target], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout
    return ["dev" if "[dev]" in line else "base" for line in commands.splitlines() if "pip install" in line]


@needs_make
def test_make_demo_installs_only_the_base(checkout: Path) -> None:
    assert planned_installs(checkout, "demo") == ["base"]
    assert planned_installs(checkout, "test") == ["base", "dev"]


@needs_make
def test_demo_and_test_share_one_environment(checkout: Path) -> None:
    base, ready = (checkout / f".venv/.edgecolor-{name}" for name in ("base", "installed"))
    base.touch()
    assert planned_installs(checkout, "demo") == []
    assert planned_installs(checkout, "test") == ["dev"]
    ready.touch()
    assert planned_installs(checkout, "demo") == planned_installs(checkout, "test") == []


@needs_make
def test_a_changed_project_is_installed_again(checkout: Path) -> None:
    for name in ("base", "installed"):
        (checkout / f".venv/.edgecolor-{name}").touch()
    future = time.time() + 60
    os.utime(checkout / "pyproject.toml", (future, future))
    assert planned_installs(checkout, "demo") == ["base"]
    assert planned_installs(checkout, "test") == ["base", "dev"]


@needs_make
def test_make_demo_opens_with_what_one_gets(checkout: Path) -> None:
    (checkout / ".venv/.edgecolor-base").touch()
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("This is what you get: 12 gray photographs in color")
