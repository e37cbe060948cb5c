"""A killed `edgecolor export` leaves no partial file, and the next export succeeds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from keras import layers

from edgecolor_runtime.models.model_file import read

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    entry = layers.Input((224, 224, 1))
    x = layers.Conv2D(2, 3, 4, padding="same")(entry)
    keras.Model(entry, layers.Activation("tanh")(x)).save(tmp_path / "tiny.keras")
    (tmp_path / "pictures").mkdir()
    for picture in sorted((ROOT / "calibration").glob("*.jpg"))[:20]:
        shutil.copy(picture, tmp_path / "pictures")
    return tmp_path


def command(folder: Path) -> list[str]:
    words = ["tiny.keras", "--calibration", "pictures", "-o", "out.tflite", "--force"]
    return [
        sys.executable,
        "-c",
        "import sys; from edgecolor.cli import main; sys.exit(main())",
        "export",
        *words,
    ]


def test_killed_in_mid_work_and_again_while_it_writes(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    (folder / "out.tflite").write_text("what was here")

    # In mid-work: the pictures are read, the conversion runs.
    process = subprocess.Popen(
        command(folder), cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert "20 calibration pictures" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "out.tflite"])
    assert (folder / "out.tflite").read_text() == "what was here"

    # While it writes: as its last act before the rename.
    writing = (
        "import os, pathlib, signal; from edgecolor_runtime.system import files; "
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        "files.write_bytes(pathlib.Path('out.tflite'), b'half', force=True)"
    )
    killed = subprocess.run([sys.executable, "-c", writing], cwd=folder, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (folder / "out.tflite").read_text() == "what was here"
    assert len(list(folder.glob(".out.tflite.*.part"))) == 1

    done = subprocess.run(command(folder), cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read(folder / "out.tflite")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "out.tflite"])
