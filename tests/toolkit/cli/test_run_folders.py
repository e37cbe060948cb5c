"""`edgecolor run` on folders of all sorts of files: other files are listed, results are not colored again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"


def run(*words: object) -> int:
    return main(["run", "--model", str(MODEL), *map(str, words)])


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three pictures, one without extension; the parent is the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, form in (("a.jpg", "JPEG"), ("scan", "PNG"), ("sub/b.png", "PNG")):
        coarse = Image.fromarray(rng.integers(30, 220, (6, 8), dtype=np.uint8))
        coarse.resize((80, 60)).save(folder / name, form)
    return folder


def test_what_is_not_colored_is_listed_with_its_reason(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {
        ".hidden.jpg": "hidden",
        "._a.jpg": "hidden",
        "notes.txt": "not a picture",
        "IMG_1.CR2": "camera raw; name the file to color it",
        "scan.pdf": "PDF; name the file to color its scans",
        "film.mp4": "video; name the file to color it",
        "README": "no extension, and not a picture",
        "Thumbs.db": "made by the system",
    }
    for name in others:
        (album / name).write_text("x")
    folders = {"@eaDir", "#recycle", "__MACOSX", ".ipynb_checkpoints"}
    for name in folders:
        (album / name).mkdir()
        shutil.copy(album / "a.jpg", album / name / "a.jpg")
    assert run("album", "-o", "out") == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["out/a.jpg", "out/scan.png", "out/sub/b.png"]
    assert "1 not colored (video; name the file to color it): album/film.mp4" in captured.err
    assert captured.err.splitlines()[-1].startswith("3 of 3 colored in ")
    assert run("album", "-o", "out", "--json", "--quiet") == 0
    skipped = {
        Path(entry["input"]).name: entry["reason"] for entry in json.loads(capsys.readouterr().out)["skipped"]
    }
    for name, reason in others.items():
        assert skipped[name] == reason
    assert folders <= skipped.keys()


def test_a_long_list_is_shortened(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        (album / f"{number:02}.txt").touch()
    assert run("album", "-o", "out") == 0
    line = next(line for line in capsys.readouterr().err.splitlines() if "not a picture" in line)
    assert line.startswith("12 not colored (not a picture): album/00.txt, ")
    assert line.endswith("album/09.txt and 2 more; --json lists all")


def test_a_folder_is_colored_twice(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("album") == 0
    before = {path: path.stat().st_mtime_ns for path in album.rglob("*.color.*")}
    assert len(before) == 3
    capsys.readouterr()
    assert run("album") == 0
    assert capsys.readouterr() == ("", "3 of 3 are already colored. --force colors them again.\n")
    shutil.copy(album / "a.jpg", album / "new.jpg")
    assert run("album") == 0
    assert "1 of 1 colored in " in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert run("album", "--force") == 0
    assert "4 of 4 colored" in capsys.readouterr().err


def test_results_inside_the_folder_are_not_colored_again(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("album", "-o", "album/colored") == 0
    assert run("album", "-o", "album/colored") == 0
    assert "3 of 3 are already colored" in capsys.readouterr().err
    assert run("album", "-o", "out") == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 3
    assert "3 not colored (result of an earlier run): album/colored/a.jpg, " in captured.err
    assert run("album/colored", "-o", "again") == 0
    assert "the pictures are results of an earlier run" in capsys.readouterr().err
    shutil.copy(album / "a.jpg", album / "colored" / "other.jpg")
    assert run("album/colored", "-o", "third") == 0
    assert capsys.readouterr().out == "third/other.jpg\n", "not in the manifest"


def test_another_file_named_like_a_manifest(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (album / "manifest.jsonl").write_text('["a.jpg"]\n[1, 2')
    assert run("album", "-o", "out") == 0
    assert "3 of 3 colored" in capsys.readouterr().err


def test_a_folder_without_pictures_says_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "film.mp4").touch()
    (tmp_path / ".hidden.jpg").touch()
    assert run(tmp_path) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path}: no pictures in this folder (1 hidden, 1 video; name the file to color it)" in error
