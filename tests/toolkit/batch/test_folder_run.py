"""`color_folder`, as a program calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from edgecolor.batch.folder_run import ColoringSummary, color_folder
from edgecolor.batch.plan import PictureResult
from edgecolor_runtime.errors import MissingError, PictureError, UsageError

MODEL = str(Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    for name, tone in (("a.png", 60), ("b.bmp", 120), ("sub/c.jpg", 180)):
        Image.new("L", (40, 30), tone).save(folder / name)
    return folder


def names(summary: ColoringSummary, output: Path) -> list[str]:
    return [result.job.target.relative_to(output).as_posix() for result in summary.colored]


def test_a_folder_with_a_failure_and_resume(album: Path, tmp_path: Path) -> None:
    (album / "broken.jpg").write_text("no picture")
    output = tmp_path / "out"
    arrived: list[PictureResult] = []
    summary = color_folder(album, output, model=MODEL, on_result=arrived.append)
    assert names(summary, output) == ["a.png", "b.png", "sub/c.jpg"] and summary.resumed == 0
    (failed,) = summary.failed
    assert failed.job.source == album / "broken.jpg" and isinstance(failed.error, PictureError)
    assert sorted(result.job.source for result in arrived) == sorted(r.job.source for r in summary.results)
    assert summary.model.info.name == "tiny"

    Image.new("L", (40, 30), 90).save(album / "broken.jpg")
    again = color_folder(str(album), str(output), model=MODEL, on_result=arrived.append)
    assert (len(again.colored), again.failed, again.resumed) == (4, [], 3)
    assert len(arrived) == 5, "only the picture that failed was colored again"


def test_nothing_is_printed(album: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    color_folder(album, tmp_path / "out", model=MODEL)
    assert capfd.readouterr() == ("", "")


def test_an_interrupted_run_is_resumed(album: Path, tmp_path: Path) -> None:
    def interrupt(result: PictureResult) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        color_folder(album, tmp_path / "out", model=MODEL, workers=1, on_result=interrupt)
    assert color_folder(album, tmp_path / "out", model=MODEL).resumed >= 1


def test_options_are_passed_on(album: Path, tmp_path: Path) -> None:
    color_folder(album, tmp_path / "out", model=MODEL, saturation=0)
    with Image.open(tmp_path / "out/a.png") as picture:
        assert picture.getpixel((5, 5)) == (60, 60, 60)
    with pytest.raises(UsageError, match="another quality"):
        color_folder(album, tmp_path / "out", model=MODEL, saturation=0, quality=50)
    assert color_folder(album, tmp_path / "out", model=MODEL, quality=50, force=True).resumed == 0


def test_wrong_calls(album: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        color_folder(album / "a.png", tmp_path / "out", model=MODEL)
    with pytest.raises(UsageError, match="engine 'spark': expected one of local, ray"):
        color_folder(album, tmp_path / "out", model=MODEL, engine="spark")
    with pytest.raises(UsageError, match="would replace"):
        color_folder(album, album, model=MODEL)
    with pytest.raises(MissingError, match=r"none\.so"):
        color_folder(album, tmp_path / "out", model=MODEL, delegate=str(tmp_path / "none.so"))
    with pytest.raises(UsageError, match="--delegate is for --engine local"):
        color_folder(album, tmp_path / "ray", model=MODEL, engine="ray", delegate="edgetpu")
