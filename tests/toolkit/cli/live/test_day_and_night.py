"""Videos that switch between color and gray: frames keep the colors of the source, or get ours."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecolor.cli import main

ROOT = Path(__file__).parents[4]
MODEL = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"
SIZE = (320, 240)


@pytest.fixture
def photograph() -> Image.Image:
    with Image.open(ROOT / "calibration" / "001.jpg") as image:
        return image.convert("RGB").resize(SIZE)


def write_film(path: Path, frames: list[Image.Image]) -> None:
    picture: Any = av.VideoFrame
    with av.open(str(path), "w") as film:
        stream: Any = film.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for frame in frames:
            film.mux(stream.encode(picture.from_image(frame)))
        film.mux(stream.encode())


def read_chroma(path: Path) -> list[NDArray[np.floating[Any]]]:
    """Return Cb and Cr of each frame, centered on 0, shape (2, h / 2, w / 2)."""
    frames: list[Any] = []
    with av.open(str(path)) as film:
        frames += film.decode(video=0)
    chroma = []
    for frame in frames:
        rows = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in frame.planes[1:3]]
        chroma.append(np.stack(rows)[:, : SIZE[1] // 2, : SIZE[0] // 2] - 128.0)
    return chroma


def run(*words: object) -> int:
    return main(["run", "--model", str(MODEL), *map(str, words)])


def test_color_gray_color(
    photograph: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gray = photograph.convert("L").convert("RGB")
    write_film(tmp_path / "film.mp4", [photograph] * 8 + [gray] * 10 + [photograph] * 8)
    write_film(tmp_path / "gray.mp4", [gray] * 26)
    assert run(tmp_path / "film.mp4", "-o", tmp_path / "out.mp4", "--json") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert (report["frames"], report["kept"]) == (26, 8 + 6), "the first two frames of the new day still fade"
    assert "12 frames colored, 14 in color and kept as they are, 0 dropped" in captured.err
    assert run(tmp_path / "gray.mp4", "-o", tmp_path / "ours.mp4", "-q") == 0

    source, out = read_chroma(tmp_path / "film.mp4"), read_chroma(tmp_path / "out.mp4")
    ours = read_chroma(tmp_path / "ours.mp4")[13]
    for number in (*range(8), *range(20, 26)):
        assert np.abs(out[number] - source[number]).mean() < 3, f"frame {number} has its own colors"
    for number in range(10, 18):
        assert np.abs(out[number] - ours).mean() < 3, f"frame {number} has ours"
    steps = [np.abs(one - other).mean() for one, other in pairwise(out)]
    whole = np.abs(source[0] - ours).mean()
    assert max(steps) < 0.5 * whole, "no jump: a third of the way per frame"
    assert max(steps[:7] + steps[10:16] + steps[20:]) < 3, "nothing changes elsewhere"


def test_recolor_gives_new_colors_to_all(
    photograph: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_film(tmp_path / "film.mp4", [photograph] * 5)
    assert run(tmp_path / "film.mp4", "-o", tmp_path / "own.mp4") == 0
    assert "0 frames colored, 5 in color and kept as they are" in capsys.readouterr().err
    assert run(tmp_path / "film.mp4", "-o", tmp_path / "new.mp4", "--recolor") == 0
    assert "5 frames colored, 0 dropped" in capsys.readouterr().err
    source, own, new = (read_chroma(tmp_path / name)[2] for name in ("film.mp4", "own.mp4", "new.mp4"))
    assert np.abs(own - source).mean() < 1.5
    assert np.abs(new - source).mean() > 2 * np.abs(own - source).mean()


def test_a_color_camera_is_shown_as_it_is(photograph: Image.Image, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        photograph.save(folder / f"{number}.png")
    words = ["--camera", folder, "--frames", 3, "-o", tmp_path / "out", "--framerate", 25, "-q"]
    assert run(*words) == 0
    with Image.open(tmp_path / "out" / "frame-000003.jpg") as frame:
        error = np.abs(np.asarray(frame, float) - np.asarray(photograph, float)).mean()
    assert error < 4
