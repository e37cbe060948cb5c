"""The one listing of pictures: what it finds, in which order, and what it reports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecolor.support.picture_files import PictureFiles, find_pictures


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_of_a_folder_come_before_its_subfolders(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.JPEG", "sub/c.tif", "sub/deep/d.webp", "z.heic", "A/e.bmp")
    names = ("a.JPEG", "b.jpg", "z.heic", "A/e.bmp", "sub/c.tif", "sub/deep/d.webp")
    assert find_pictures(tmp_path) == PictureFiles(tuple(tmp_path / name for name in names), ())


def test_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", ".hidden.jpg", ".trash/x.jpg", "manifest.jsonl", "jpg", "a.jpg")
    assert find_pictures(tmp_path).files == (tmp_path / "a.jpg",)


def test_an_excluded_folder_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "results/a.jpg", "sub/results/b.jpg")
    files = find_pictures(tmp_path, excluded=tmp_path / "sub" / ".." / "results").files
    assert files == (tmp_path / "a.jpg", tmp_path / "sub/results/b.jpg")


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "sub/b.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:  # tests may run as root, who is refused nothing
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_pictures(tmp_path) == PictureFiles((tmp_path / "a.jpg",), (tmp_path / "sub",))


def test_only_an_empty_folder_with_the_name_of_a_picture_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").mkdir()
    touch(tmp_path, "full.jpg/x.jpg")
    assert find_pictures(tmp_path) == PictureFiles((tmp_path / "full.jpg/x.jpg",), (tmp_path / "empty.jpg",))
