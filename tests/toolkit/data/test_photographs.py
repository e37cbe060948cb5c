"""The photographs of a folder: `dataset`, `evaluate` and `run` read the same files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from edgecolor.batch.plan import plan_jobs
from edgecolor.cli import main
from edgecolor.data.calibration import read_calibration
from edgecolor.data.dataset import open_dataset, prepare_dataset
from edgecolor.data.photographs import list_photographs
from edgecolor_runtime.errors import DataError

CALIBRATION = Path(__file__).parents[3] / "calibration"
MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
NAMES = ("a.jfif", "b.jp2", "c.ppm", "d.tga", "e.jpg", "sub/f.bmp", "sub/g.mpo")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Color photographs in seven formats; two files are no photographs."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    for name, photo in zip(NAMES, sorted(CALIBRATION.glob("*.jpg")), strict=False):
        with Image.open(photo) as picture:
            picture.convert("RGB").save(folder / name)
    (folder / "notes.txt").touch()
    (folder / "._e.jpg").touch()
    return folder


def test_run_dataset_and_evaluate_read_the_same_photographs(
    album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = {job.source.relative_to(album).as_posix() for job in plan_jobs([album], tmp_path / "out").jobs}
    summary = prepare_dataset(album, tmp_path / "prepared")
    assert main(["evaluate", str(MODEL), str(album), "--json", "--quiet"]) == 0
    evaluation = json.loads(capsys.readouterr().out)
    assert planned == set(NAMES)
    assert open_dataset(tmp_path / "prepared").names == list(NAMES)
    assert (summary.photographs, summary.unreadable) == (len(NAMES), {})
    assert evaluation["data"]["photographs"] == len(NAMES)


def test_a_picture_that_pillow_cannot_open_is_counted(album: Path, tmp_path: Path) -> None:
    (album / "h.psd").write_bytes(b"8BPS, but no more")
    assert prepare_dataset(album, tmp_path / "prepared").unreadable.keys() == {"h.psd"}


def test_calibration_reads_them_too_but_no_subfolder(album: Path) -> None:
    for number in range(20):
        Image.new("L", (8, 8), 10 * number).save(album / f"{number:02}.pgm")
    names = read_calibration(album).names
    assert names == (*(f"{number:02}.pgm" for number in range(20)), *NAMES[:5])


def test_a_folder_without_photographs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list_photographs(tmp_path / "none")
    with pytest.raises(DataError, match="no photographs"):
        list_photographs(tmp_path)
    (tmp_path / "empty.jpg").mkdir()
    with pytest.raises(DataError, match=r"empty\.jpg: this folder cannot be listed, or is empty"):
        list_photographs(tmp_path)
