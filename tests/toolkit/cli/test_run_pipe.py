"""`edgecolor run -`: a photograph from stdin, a photograph to stdout."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"


def picture(form: str, tone: int = 90) -> bytes:
    ramp = np.linspace(0, tone, 80).astype(np.uint8)[None].repeat(60, axis=0)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, form)
    return buffer.getvalue()


def run(data: bytes, *words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "edgecolor", "run", "--model", str(MODEL), *map(str, words)]
    return subprocess.run(command, input=data, capture_output=True, check=False)


@pytest.mark.parametrize(("form", "written"), [("JPEG", "JPEG"), ("PNG", "PNG"), ("BMP", "PNG")])
def test_from_stdin_to_stdout(form: str, written: str) -> None:
    done = run(picture(form), "-", "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert (image.format, image.mode, image.size) == (written, "RGB", (80, 60))
        assert np.ptp(np.asarray(image, float), axis=2).max() > 3
    assert run(picture(form), "-").stdout == done.stdout, "stdout is the default"


def test_from_a_file_to_stdout_and_from_stdin_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    to_stdout = run(b"", tmp_path / "a.png", "-o", "-")
    to_file = run(picture("PNG"), "-", "-o", tmp_path / "b.png")
    assert to_file.stdout == f"{tmp_path / 'b.png'}\n".encode()
    with Image.open(io.BytesIO(to_stdout.stdout)) as one, Image.open(tmp_path / "b.png") as other:
        assert one.tobytes() == other.tobytes()
    again = run(picture("PNG"), "-", "-o", tmp_path / "b.png")
    assert again.returncode == 2 and b"exists already; use --force" in again.stderr


def test_a_color_photograph_passes_unchanged() -> None:
    data = (ROOT / "calibration" / "001.jpg").read_bytes()
    done = run(data, "-")
    assert done.returncode == 0 and done.stdout == data
    assert done.stderr.startswith(b"stdin: is in color already")
    assert run(data, "-", "--recolor").stdout != data


@pytest.mark.parametrize(
    ("data", "words", "code", "message"),
    [
        (b"no picture", ["-"], 1, b"edgecolor: stdin: not a picture"),
        (b"", ["-"], 1, b"edgecolor: stdin: empty file"),
        (b"", ["-", "-"], 2, b"edgecolor: - stands for one photograph"),
        (b"", ["-", "--json"], 2, b"edgecolor: --json prints on stdout"),
        (b"", ["-", "--verify"], 2, b"edgecolor: - is for one photograph, without --verify"),
        (b"", ["--camera", "-o", "-"], 2, b"edgecolor: - is for photographs"),
    ],
)
def test_one_clear_line(data: bytes, words: list[str], code: int, message: bytes) -> None:
    done = run(data, *words)
    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.startswith(message) and done.stderr.count(b"\n") == 1


def test_a_terminal_gets_no_photograph() -> None:
    pty = pytest.importorskip("pty")
    _, slave = pty.openpty()
    command = [sys.executable, "-m", "edgecolor", "run", "--model", str(MODEL), "-"]
    done = subprocess.run(command, input=picture("PNG"), stdout=slave, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2 and b"stdout is a terminal" in done.stderr
