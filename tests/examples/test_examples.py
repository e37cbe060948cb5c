"""The programs in examples/ run as their docstrings show, each in its own process."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgecolor
import edgecolor_runtime

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
NETWORK = REPOSITORY / "models/s/s.keras"
TESTED_ELSEWHERE = {"color_photographs"}  # tests/packaging/test_demo.py
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in TESTED_ELSEWHERE)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of six color photographs, 224 x 224."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for path in sorted((REPOSITORY / "calibration").glob("*.jpg"))[:6]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    """A folder of 20 photographs, the smallest calibration set."""
    folder = tmp_path / "calibration"
    folder.mkdir()
    for path in sorted((REPOSITORY / "calibration").glob("*.jpg"))[:20]:
        shutil.copy(path, folder)
    return folder


def run_example(name: str, *words: str | Path, folder: Path) -> str:
    """Run a program in `folder` and return what it prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *words],
        cwd=folder,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_is_colored(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        red, _, blue = picture.split()
        assert red.tobytes() != blue.tobytes()


def turn_gray(photographs: Path) -> None:
    for path in photographs.iterdir():
        with Image.open(path) as photograph:
            gray = photograph.convert("L")
        gray.save(path)


def test_color_a_folder(photographs: Path, tmp_path: Path) -> None:
    turn_gray(photographs)
    printed = run_example("color_a_folder", photographs, "colored", folder=tmp_path)
    assert printed == "6 photographs in colored, 0 of them from an earlier run\n"
    for path in photographs.iterdir():
        assert_is_colored(tmp_path / "colored" / path.name)
    printed = run_example("color_a_folder", photographs, "colored", folder=tmp_path)
    assert printed == "6 photographs in colored, 6 of them from an earlier run\n"


def test_color_a_picture(photographs: Path, tmp_path: Path) -> None:
    turn_gray(photographs)
    printed = run_example("color_a_picture", min(photographs.iterdir()), "colored.png", folder=tmp_path)
    assert printed == "colored.png: 224 x 224 pixels\n"
    assert_is_colored(tmp_path / "colored.png")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A gray video of ten frames, 64 x 48."""
    path = tmp_path / "gray.mp4"
    with edgecolor_runtime.VideoWriter(path) as writer:
        for number in range(10):
            gray = Image.radial_gradient("L").resize((64, 48)).rotate(5 * number)
            frame = edgecolor_runtime.ColorFrame(gray, np.zeros((56, 56, 2), np.float32))
            writer.write(edgecolor_runtime.Shot(number, frame, number / 25))
        writer.finish()
    return path


def count_frames(path: Path) -> int:
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_color_a_camera(video: Path, tmp_path: Path) -> None:
    watch, written = run_example("color_a_camera", video, "colored.mp4", "2", folder=tmp_path).splitlines()
    assert watch.startswith("watch it at http://127.0.0.1:")
    assert written == f"colored.mp4: {count_frames(tmp_path / 'colored.mp4')} frames"


def test_color_a_video(video: Path, tmp_path: Path) -> None:
    printed = run_example("color_a_video", video, "colored.mp4", folder=tmp_path)
    assert printed == "colored.mp4: 10 frames\n"
    assert count_frames(tmp_path / "colored.mp4") == 10


def test_write_your_own_loop(video: Path, tmp_path: Path) -> None:
    printed = run_example("write_your_own_loop", video, "colored.mp4", "12", folder=tmp_path)
    assert printed.endswith("\ncolored.mp4: 12 frames\n")
    assert count_frames(tmp_path / "colored.mp4") == 12


def test_own_camera(tmp_path: Path) -> None:
    watch, colored = run_example("own_camera", "3", folder=tmp_path).splitlines()
    assert watch.startswith("watch it at http://127.0.0.1:")
    assert colored == "3 frames"


def test_train_on_few_photographs(calibration: Path, tmp_path: Path) -> None:
    words = (calibration, NETWORK, "run", "--epochs", "1", "--size", "32")
    printed = run_example("train_on_few_photographs", *words, folder=tmp_path)
    assert printed.startswith("16 photographs to train on, 4 to validate\n")
    assert printed.endswith("run/training/model.keras\n")
    assert (tmp_path / "run/training/model.keras").is_file()


@pytest.fixture
def prepared(calibration: Path, tmp_path: Path) -> Path:
    """A prepared dataset of 20 photographs."""
    edgecolor.prepare_dataset(calibration, tmp_path / "prepared", workers=1)
    return tmp_path / "prepared"


@pytest.mark.slow
def test_prune_a_network(prepared: Path, tmp_path: Path) -> None:
    words = (NETWORK, prepared, "run", "--epochs", "1", "--size", "32")
    assert "run/model.keras: 70% zeros\n" in run_example("prune_a_network", *words, folder=tmp_path)


@pytest.mark.slow
def test_narrow_a_network(prepared: Path, calibration: Path, tmp_path: Path) -> None:
    words = (NETWORK, prepared, calibration, "run", "--trials", "1", "--size", "32")
    printed = run_example("narrow_a_network", *words, folder=tmp_path)
    assert "M multiply-adds instead of 99 M\n" in printed
    assert (tmp_path / "run/model.keras").is_file()


def test_export_and_check(calibration: Path, tmp_path: Path) -> None:
    words = (NETWORK, calibration, "s.tflite", "--precision", "float32")
    printed = run_example("export_and_check", *words, folder=tmp_path)
    assert "The file reproduces the network." in printed
    assert edgecolor_runtime.open_model(tmp_path / "s.tflite").info.precision == "float32"


def test_measure_a_model(photographs: Path, tmp_path: Path) -> None:
    colors, times, verdict = run_example("measure_a_model", "s", photographs, folder=tmp_path).splitlines()
    assert "dB over gray" in colors and "colorfulness" in colors
    assert "inference" in times and "whole frame" in times
    assert verdict.startswith("these times are ")


def test_compare_models(photographs: Path, tmp_path: Path) -> None:
    printed = run_example("compare_models", photographs, "report.html", "s", "m", folder=tmp_path)
    assert "best colors: m" in printed or "best colors: s" in printed
    assert "2 files compared in report.html" in printed
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")


def test_check_on_a_device(tmp_path: Path) -> None:
    printed = run_example("check_on_a_device", "s", folder=tmp_path)
    assert "mean 0.000, largest 0.000" in printed


def imported_names(path: Path, package: str) -> set[str]:
    """Return the names that a program imports from a package."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == package]
    return {alias.name for node in froms for alias in node.names}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_tested_listed_and_public(name: str) -> None:
    path = EXAMPLES / f"{name}.py"
    assert f"def test_{name}(" in Path(__file__).read_text("utf-8")
    assert f"({name}.py)" in (EXAMPLES / "README.md").read_text("utf-8")
    tree = ast.parse(path.read_text("utf-8"))
    question = (ast.get_docstring(tree) or "").splitlines()[0]
    assert question.endswith("?")
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert [module for module in modules if module.startswith("edgecolor") and "." in module] == []
    for package in (edgecolor, edgecolor_runtime):
        assert imported_names(path, package.__name__) <= set(package.__all__)
