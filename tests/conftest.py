"""What several areas share: an environment over tflite-runtime, which 32-bit devices have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tflite_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with edgecolor-runtime over tflite-runtime, and without litert."""
    base = shutil.which("python3.11")
    if base is None:
        pytest.skip("no python3.11, the last that tflite-runtime has a wheel for")
    folder = tmp_path_factory.mktemp("tflite")
    subprocess.run([base, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["tflite-runtime==2.14.*", "numpy<2", "pillow", "typer>=0.15", "rich>=13"]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install tflite-runtime here: {done.stderr.strip().splitlines()[-1]}")
    subprocess.run([*pip, "--no-deps", ROOT / "edge_runtime", ROOT], check=True)
    return folder / "bin" / "python"
