"""`edgecolor run` with colors given by hand: options, files of hints, folders, resume, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime.colors.hints import Hint, HintSet
from edgecolor_runtime.colors.spaces import rgb_to_lab
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.images.hint_file import hint_path, read_hints, write_hints

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
BLUE = (51, 85, 170)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A dark gray picture, in which every hue has room."""
    coarse = Image.fromarray(np.random.default_rng(3).integers(60, 120, (6, 8), dtype=np.uint8))
    coarse.resize((320, 240), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def run(*arguments: object) -> int:
    return main(["run", "--model", str(MODEL), *map(str, arguments)])


def distance(result: Path, hint: Hint) -> float:
    """Return the distance in Lab units between the ab of a hint's pixel and that of its color."""
    assert hint.color is not None
    with Image.open(result) as picture:
        shown = rgb_to_lab(np.asarray(picture.convert("RGB")))[hint.y, hint.x, 1:]
    return float(np.hypot(*(shown - rgb_to_lab(np.array(hint.color, np.uint8))[1:])))


def test_hints_color_their_places_and_are_repeated_beside_the_result(photo: Path, tmp_path: Path) -> None:
    words = ["--hint", "80,60=#3355aa", "--hint", "240,180=gray", "--hint-reach", "0.5"]
    assert run(photo, "-o", tmp_path / "out" / "blue.png", *words) == 0
    result = tmp_path / "out" / "blue.png"
    assert distance(result, Hint(80, 60, BLUE)) < 2
    assert distance(result, Hint(240, 180, (128, 128, 128))) < 2
    with Image.open(photo) as before, Image.open(result) as after:
        luma = np.asarray(after.convert("L")).astype(int)
        assert np.abs(luma - np.asarray(before.convert("L"))).max() <= 1

    repeated = tmp_path / "out" / "blue.hints.json"
    assert read_hints(repeated) == HintSet(
        (Hint(80, 60, BLUE), Hint(240, 180, (128, 128, 128))), 0.5, (320, 240)
    )
    assert run(photo, "-o", tmp_path / "again.png", "--hints", repeated) == 0
    assert (tmp_path / "again.png").read_bytes() == result.read_bytes()


def test_a_folder_takes_files_of_hints_by_name_and_resumes_by_them(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = photo.parent / "album", tmp_path / "out"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.png").write_bytes(photo.read_bytes())
    write_hints(hint_path(folder / "one.png"), HintSet((Hint(80, 60, BLUE),)))
    assert run(folder, "-o", out) == 0
    assert "one.png: 1 colors given by hand (one.hints.json)" in capsys.readouterr().err
    assert distance(out / "one.png", Hint(80, 60, BLUE)) < 2 < distance(out / "two.png", Hint(80, 60, BLUE))
    one, two = (out / "one.png").read_bytes(), (out / "two.png").stat()

    red = Hint(80, 60, (170, 60, 60))
    write_hints(hint_path(folder / "one.png"), HintSet((red,)), force=True)
    assert run(folder, "-o", out, "--json") == 0
    assert distance(out / "one.png", red) < 2 and (out / "one.png").read_bytes() != one
    assert (out / "two.png").stat().st_ino == two.st_ino, "the other one is not colored again"
    hint_path(folder / "one.png").unlink()
    assert run(folder, "-o", out) == 0
    assert (out / "one.png").read_bytes() == (out / "two.png").read_bytes()


def test_a_bad_file_of_hints_fails_its_picture_only(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    hint_path(other).write_text('{"schema": "edgecolor-hints/1", "hints": [{"x": 1}]}', "utf-8")
    assert run(photo, other, "-o", tmp_path / "out") == 1
    assert f"{hint_path(other)}: not a file of hints (edgecolor-hints/1)" in capsys.readouterr().err
    assert (tmp_path / "out" / "photo.png").exists() and not (tmp_path / "out" / "other.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hint", "80=#3355aa"], 'hint "80=#3355aa": expected X,Y=COLOR in pixels'),
        (["--hint", "-1,2=red"], 'hint "-1,2=red": expected X,Y=COLOR in pixels'),
        (["--hint", "80,60=blurple"], '"blurple" is not a color'),
        (["--hint", "320,60=red"], "hint 320,60 lies outside the picture"),
        (["--hint", "1,1=red", "--hint", "1,1=blue"], "pixel 1,1 has two hints"),
        (["--hint-reach", "2"], "--hint-reach needs --hint or --hints"),
    ],
)
def test_hints_that_are_refused(
    photo: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(photo, "-o", photo.parent / "out.png", *words) == 2
    assert message in capsys.readouterr().err
    assert not (photo.parent / "out.png").exists()


def test_hints_are_for_one_photograph(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for inputs in ([photo.parent], [photo, photo], ["--camera"]):
        assert run(*inputs, "-o", photo.parent / "out", "--hint", "1,1=red") == 2
        assert "--hint and --hints are for one photograph" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"schema": "edgecolor-hints/2", "hints": []}',
        '{"schema": "edgecolor-hints/1", "hints": [{"x": 1.5, "y": 1, "color": "red"}]}',
        '{"schema": "edgecolor-hints/1", "hints": [{"x": true, "y": 1, "color": "red"}]}',
        '{"schema": "edgecolor-hints/1", "hints": [{"x": 1, "y": 1, "color": 7}]}',
        '{"schema": "edgecolor-hints/1", "hints": [{"x": 1, "y": 1, "color": "nocolor"}]}',
        '{"schema": "edgecolor-hints/1", "hints": [], "size": [1]}',
        '{"schema": "edgecolor-hints/1", "hints": [], "reach": "far"}',
        '{"schema": "edgecolor-hints/1", "hints": ' + "[" * 5000 + "]" * 5000 + "}",
        json.dumps({"schema": "edgecolor-hints/1", "hints": [{"x": 1, "y": 1, "color": "red"}] * 501}),
        " " * (1 << 20) + "{}",
    ],
)
def test_a_file_that_is_not_a_file_of_hints_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "photo.hints.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        read_hints(path)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path))
