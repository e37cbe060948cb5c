"""`edgecolor run` on color photographs: they keep their colors, byte by byte, and are counted apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"
PHOTOGRAPH = ROOT / "calibration" / "001.jpg"
NOTE = "is in color already and was kept as it is; --recolor gives it new colors"


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures in color, one in gray, one in sepia; their parent is the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "color.jpg").write_bytes(PHOTOGRAPH.read_bytes())
    with Image.open(PHOTOGRAPH) as photograph:
        photograph.save(folder / "color.bmp")
        gray = photograph.convert("L")
    gray.save(folder / "gray.jpg")
    sepia = np.asarray(gray, float)[..., None] * np.array([1.351, 1.203, 0.937])
    Image.fromarray(np.minimum(sepia, 255).astype(np.uint8)).save(folder / "sepia.png")
    return folder


def run(*words: object) -> int:
    return main(["run", "--model", str(MODEL), *map(str, words)])


def pixels(path: Path) -> list[object]:
    with Image.open(path) as image:
        return list(np.asarray(image.convert("RGB")).ravel())


def test_a_color_photograph_is_copied(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(album / "color.jpg", "-o", "out.jpg") == 0
    assert capsys.readouterr() == ("out.jpg\n", f"{album / 'color.jpg'}: {NOTE}\n")
    assert Path("out.jpg").read_bytes() == PHOTOGRAPH.read_bytes()


def test_in_another_format_its_pixels_are_the_same(album: Path) -> None:
    for target in ("out.png", "out.tif"):
        assert run(album / "color.jpg", "-o", target, "-q") == 0
        assert pixels(Path(target)) == pixels(PHOTOGRAPH)
    assert run(album / "color.jpg", "-o", "out.webp", "-q") == 0
    assert Path("out.webp").is_file()


def test_recolor_gives_new_colors(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(album / "color.jpg", "-o", "out.jpg", "--recolor") == 0
    assert capsys.readouterr().err == ""
    assert pixels(Path("out.jpg")) != pixels(PHOTOGRAPH)


def test_they_are_counted_apart(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("album", "-o", "out", "--json") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert [Path(entry["input"]).name for entry in report["pictures"]] == ["gray.jpg", "sepia.png"]
    assert [Path(entry["input"]).name for entry in report["kept"]] == ["color.bmp", "color.jpg"]
    assert report["kept"][1]["notes"] == [NOTE]
    assert "2 of 4 colored, 2 in color and kept as they are, in " in captured.err
    lines = [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]
    kept = {line["result"]: (line["in_color"], line["kept"]) for line in lines}
    assert kept == {
        "color.png": (True, True),
        "color.jpg": (True, True),
        "gray.jpg": (False, False),
        "sepia.png": (False, False),
    }
    assert Path("out/color.jpg").read_bytes() == PHOTOGRAPH.read_bytes()
    assert pixels(Path("out/color.png")) == pixels(album / "color.bmp")


def test_a_later_run_may_choose_otherwise(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("album", "-o", "out") == 0
    assert run("album", "-o", "out") == 0
    assert "4 of 4 are already colored" in capsys.readouterr().err
    assert run("album", "-o", "out", "--recolor") == 0, "copies are replaced"
    assert "4 of 4 colored" in capsys.readouterr().err
    assert pixels(Path("out/color.jpg")) != pixels(PHOTOGRAPH)
    assert run("album", "-o", "out") == 2, "colors of the network are replaced only with --force"
    assert "another choice of --recolor" in capsys.readouterr().err
    assert run("album", "-o", "out", "--verify") == 0
