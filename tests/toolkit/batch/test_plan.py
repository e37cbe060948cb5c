"""Which pictures of a folder are colored, and the paths of their results."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecolor.batch.plan import plan_jobs
from edgecolor_runtime import PictureError, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("b.jpg", "a.JPEG", "sub/c.tif", "sub/deep/d.webp", "e.bmp", "f.heic"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in ("notes.txt", ".hidden.jpg", "old.color.jpg", ".trash/x.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def targets(inputs: list[Path], output: Path | None) -> dict[str, str]:
    jobs = plan_jobs(inputs, output).jobs
    base = output if output is not None else inputs[0]
    result = {job.source.name: str(job.target.relative_to(base)) for job in jobs}
    assert len(result) == len(jobs)
    return result


def test_a_folder_keeps_its_structure(photos: Path, tmp_path: Path) -> None:
    assert targets([photos], tmp_path / "out") == {
        "a.JPEG": "a.JPEG",
        "b.jpg": "b.jpg",
        "c.tif": "sub/c.tif",
        "d.webp": "sub/deep/d.webp",
        "e.bmp": "e.png",
        "f.heic": "f.png",
    }


def test_without_output_each_result_lies_beside_its_picture(photos: Path) -> None:
    results = targets([photos], None)
    assert (results["b.jpg"], results["e.bmp"]) == ("b.color.jpg", "e.color.png")
    assert results["c.tif"] == "sub/c.color.tif"


def test_an_output_inside_the_folder_is_not_read(photos: Path) -> None:
    before = targets([photos], photos / "colored")
    (photos / "colored").mkdir()
    (photos / "colored" / "b.jpg").touch()
    assert targets([photos], photos / "colored") == before


def test_one_picture(photos: Path, tmp_path: Path) -> None:
    source = photos / "b.jpg"
    assert plan_jobs([source], tmp_path / "x.png").jobs[0].target == tmp_path / "x.png"
    assert plan_jobs([source], tmp_path).jobs[0].target == tmp_path / "b.jpg"
    assert plan_jobs([source], tmp_path / "new").jobs[0].target == tmp_path / "new" / "b.jpg"
    with pytest.raises(UsageError, match=r"\.gif"):
        plan_jobs([source], tmp_path / "x.gif")


def test_colliding_names_become_different(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "a.bmp", "a.gif", "b.bmp", "c.gif", "c.ppm", "A.PNG"):
        (folder / name).touch()
    results = targets([folder], tmp_path / "out")
    assert len({name.casefold() for name in results.values()}) == 7
    assert (results["a.bmp"], results["a.gif"], results["b.bmp"]) == ("a.bmp.png", "a.gif.png", "b.png")
    assert (results["c.gif"], results["c.ppm"]) == ("c.gif.png", "c.ppm.png")
    assert {results["A.PNG"], results["a.png"]} == {"A.PNG", "a-2.png"}
    beside = targets([folder], None)
    assert (beside["a.bmp"], beside["b.bmp"]) == ("a.bmp.color.png", "b.color.png")


def test_a_numbered_name_does_not_take_another_name(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/a.png", "z/a-2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    inputs = [tmp_path / "x/a.png", tmp_path / "y/a.png", tmp_path / "z/a-2.png"]
    assert [job.target.name for job in plan_jobs(inputs, tmp_path / "out").jobs] == [
        "a.png",
        "a-3.png",
        "a-2.png",
    ]


def test_several_folders_and_files(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.jpg").touch()
    jobs = plan_jobs([photos / "sub", other, photos / "e.bmp", other / "b.jpg"], tmp_path / "out").jobs
    assert [str(job.target.relative_to(tmp_path / "out")) for job in jobs] == [
        "sub/c.tif",
        "sub/deep/d.webp",
        "other/b.jpg",
        "e.png",
    ], "a picture that is named twice is colored once"


def test_no_input_is_replaced(photos: Path) -> None:
    for inputs, output in (
        ([photos], photos),
        ([photos / "b.jpg"], photos / "b.jpg"),
        ([photos / "b.jpg"], photos),
    ):
        with pytest.raises(UsageError, match="would replace"):
            plan_jobs(inputs, output)


def test_several_pictures_need_a_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output in (tmp_path / "x.jpg", tmp_path / "file"):
        with pytest.raises(UsageError, match="need a folder"):
            plan_jobs([photos], output)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no pictures"):
        plan_jobs([tmp_path], tmp_path / "out")
