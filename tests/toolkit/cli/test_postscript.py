"""A picture that contains PostScript is refused by every command, and nothing executes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image

from edgecolor.cli import main
from edgecolor.data.calibration import read_calibration
from edgecolor.data.training_sources import PhotoFolder
from edgecolor_runtime.errors import DataError, PictureError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.images.reader import open_picture, parse_picture

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
CALIBRATION = Path(__file__).parents[3] / "calibration"
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n{} loop\n%%EOF\n"


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that exists after anything was given to Ghostscript."""
    proof, programs = tmp_path / "executed", tmp_path / "programs"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {proof}\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # Pillow searches for the program again
    return proof


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a photograph and a picture that is PostScript."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    photograph = sorted(CALIBRATION.glob("*.jpg"))[0]
    (folder / "good.jpg").write_bytes(photograph.read_bytes())
    (folder / "evil.jpg").write_bytes(POSTSCRIPT)
    return folder


def test_pillow_alone_executes_it(folder: Path, executed: Path) -> None:
    with Image.open(folder / "evil.jpg") as image, pytest.raises(Exception, match=r".*"):
        image.load()
    assert executed.exists()


def test_a_picture(folder: Path, executed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", str(MODEL), str(folder / "evil.jpg"), "-o", str(folder / "out.jpg")]) == 1
    assert "evil.jpg: PostScript files are not read. They are programs" in capsys.readouterr().err
    assert not executed.exists()


def test_a_folder(folder: Path, executed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "colored"
    assert main(["run", "--model", str(MODEL), str(folder), "-o", str(out), "-q"]) == 1
    assert "evil.jpg" in capsys.readouterr().err
    assert (out / "good.jpg").exists() and not executed.exists()


def test_evaluate(folder: Path, executed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(MODEL), str(folder)]) == 0
    assert "evil.jpg: PostScript files are not read. They are programs" in capsys.readouterr().err
    assert not executed.exists()


def test_training_photographs(folder: Path, executed: Path) -> None:
    planes = list(PhotoFolder(folder).planes(workers=1))
    assert isinstance(planes[0], str) and "PostScript" in planes[0]  # evil.jpg
    assert not isinstance(planes[1], str)  # good.jpg
    assert not executed.exists()


def test_a_calibration_folder(folder: Path, executed: Path) -> None:
    for photograph in sorted(CALIBRATION.glob("*.jpg"))[:25]:
        (folder / photograph.name).write_bytes(photograph.read_bytes())
    with pytest.raises(DataError, match=r"evil\.jpg: PostScript files are not read"):
        read_calibration(folder)
    assert not executed.exists()


def test_an_upload(executed: Path) -> None:
    with pytest.raises(PictureError, match=r"evil\.jpg: PostScript files are not read"):
        parse_picture(POSTSCRIPT, "evil.jpg")
    assert not executed.exists()


@pytest.mark.parametrize("extension", ["bmp", "gif", "ico", "jp2", "pcx", "png", "ppm", "sgi", "tga", "tif"])
def test_photographs_in_other_formats_open(extension: str, tmp_path: Path) -> None:
    """The content decides, not the name: a name without an extension is as good."""
    path = tmp_path / f"picture.{extension}"
    Image.new("RGB", (32, 32), (90, 120, 30)).save(path)
    unnamed = path.rename(tmp_path / "picture")
    with open_image(unnamed) as image:
        assert image.size == (32, 32)
    assert open_picture(unnamed).gray.size == (32, 32)
