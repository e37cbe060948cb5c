"""Prepared datasets: their contents, and which photographs are left out, counted and reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from edgecolor.cli import main
from edgecolor.data.dataset import Split, choose_held_out, load_pairs, open_dataset, prepare_dataset
from edgecolor.data.training_sources import NPY_AB, NPY_L, planes_of_rgb
from edgecolor.training.run_folder import RunIdentity, begin_run, open_run
from edgecolor_runtime.errors import DataError, EdgecolorError, UsageError

CALIBRATION = Path(__file__).parents[3] / "calibration"


def photographs(count: int) -> list[Image.Image]:
    files = sorted(CALIBRATION.rglob("*.jpg"))[:count]
    return [Image.open(file).convert("RGB").resize((224, 224)) for file in files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    where = tmp_path / "photos"
    (where / "sub").mkdir(parents=True)
    for i, photo in enumerate(photographs(6)):
        photo.save(where / ("sub" if i % 2 else ".") / f"{i}.png")
    return where


def npy_layout(
    where: Path, photos: list[Image.Image], *, l_scale: float = 2.55, ab_offset: int = 128
) -> Path:
    labs = np.stack([rgb2lab(np.asarray(p)) for p in photos])
    ab = np.rint(labs[..., 1:] + ab_offset).astype(np.int64).astype(np.uint8)
    (where / "l").mkdir(parents=True)
    (where / "ab/ab").mkdir(parents=True)
    np.save(where / NPY_L, np.rint(labs[..., 0] * l_scale).astype(np.uint8))
    for path, part in zip(NPY_AB, np.array_split(ab, 3), strict=True):
        np.save(where / path, part)
    return where


def test_the_dataset_has_the_photographs_of_the_folder(folder: Path, tmp_path: Path) -> None:
    summary = prepare_dataset(folder, tmp_path / "out")
    data = open_dataset(tmp_path / "out")
    assert summary.photographs == 6
    assert summary.train + summary.val + summary.near_gray + summary.toned == 6
    for row, name in enumerate(data.names):
        wanted = planes_of_rgb(Image.open(folder / name))
        for prepared, want in zip((data.luma[row], data.lightness[row], data.ab[row]), wanted, strict=True):
            np.testing.assert_array_equal(prepared, want)


def test_planes_agree_with_scikit_image() -> None:
    photo = photographs(1)[0]
    planes = planes_of_rgb(photo)
    lab = rgb2lab(np.asarray(photo))
    mean = lab[..., 1:].reshape(56, 4, 56, 4, 2).mean(axis=(1, 3))
    assert np.abs(planes.ab - mean).max() <= 0.51  # rounded to whole Lab units
    np.testing.assert_array_equal(planes.luma, np.asarray(photo.convert("L")))


def test_near_gray_toned_and_broken_are_left_out_and_counted(folder: Path, tmp_path: Path) -> None:
    photo = photographs(1)[0]
    photo.convert("L").convert("RGB").save(folder / "gray.png")
    sepia = rgb2lab(np.asarray(photo))
    sepia[..., 0] = 40 + sepia[..., 0] / 5
    sepia[..., 1:] = 5, 14
    Image.fromarray(np.rint(lab2rgb(sepia) * 255).astype(np.uint8)).save(folder / "sepia.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    photo.resize((448, 448)).save(folder / "whole.jpg")
    data = (folder / "whole.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    summary = prepare_dataset(folder, tmp_path / "out")
    assert (summary.near_gray, summary.toned) == (1, 1)
    assert summary.unreadable.keys() == {"broken.jpg", "cut.jpg"}
    assert "are missing" in summary.unreadable["cut.jpg"]
    rows = open_dataset(tmp_path / "out").rows
    assert len(rows[Split.TRAIN]) + len(rows[Split.VAL]) == summary.photographs - 4


def test_split_csv_decides(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("file,split\n0.png,val\nsub/1.png,train\n")
    prepare_dataset(folder, tmp_path / "out", split=tmp_path / "split.csv")
    data = open_dataset(tmp_path / "out")
    assert [data.names[r] for r in data.rows[Split.VAL]] == ["0.png"]


@pytest.mark.parametrize(("photographs", "val"), [(4, 0), (12, 2), (300, 60), (1000, 200), (20000, 400)])
def test_some_of_few_photographs_are_held_out(photographs: int, val: int) -> None:
    names = [f"{i}.jpg" for i in range(photographs)]
    chosen = choose_held_out(names)
    assert len(set(chosen)) == val
    assert chosen == choose_held_out(names[::-1])


def test_another_split_is_another_run(folder: Path, tmp_path: Path) -> None:
    for name in ("0.png", "2.png"):
        (tmp_path / "split.csv").write_text(f"file,split\n{name},val\n")
        prepare_dataset(folder, tmp_path / name, split=tmp_path / "split.csv")
    first, second = (open_dataset(tmp_path / name).identity for name in ("0.png", "2.png"))
    assert first["data_sha256"] == second["data_sha256"]
    open_run(tmp_path, RunIdentity({}, **first))
    begin_run(tmp_path, RunIdentity({}, **first))
    with pytest.raises(UsageError, match="holds a run with another data"):
        open_run(tmp_path, RunIdentity({}, **second))


def test_split_csv_of_other_photographs_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("file,split\nphotos/0.png,val\n")
    with pytest.raises(DataError, match=r"names none of the photographs; .* has 0\.png"):
        prepare_dataset(folder, tmp_path / "out", split=tmp_path / "split.csv")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_too_small_is_reported_and_left_clean(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 19))
    with pytest.raises(DataError, match=r"0.6 MB are needed and 0.5 MB are free"):
        prepare_dataset(folder, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def test_an_empty_array_is_reported(tmp_path: Path) -> None:
    npy_layout(tmp_path / "npy", photographs(1))
    (tmp_path / "npy" / NPY_L).write_bytes(b"")
    with pytest.raises(DataError, match=r"gray_scale\.npy: not readable"):
        prepare_dataset(tmp_path / "npy", tmp_path / "out")


def test_npy_layout_agrees_with_the_photographs(tmp_path: Path) -> None:
    photos = photographs(6)
    prepare_dataset(npy_layout(tmp_path / "npy", photos), tmp_path / "out")
    data = open_dataset(tmp_path / "out")
    for row, photo in enumerate(photos):
        wanted = planes_of_rgb(photo)
        assert np.abs(data.ab[row].astype(int) - wanted.ab).mean() < 1.0
        assert np.abs(data.luma[row].astype(int) - wanted.luma).mean() < 1.5
        assert np.abs(data.lightness[row].astype(int) - wanted.lightness).mean() < 1.0


@pytest.mark.parametrize(
    ("scale", "message"),
    [({"l_scale": 1.0}, "scale 0..100"), ({"ab_offset": 0}, "ab is on another scale")],
)
def test_npy_layout_on_a_wrong_scale_is_refused(tmp_path: Path, scale: dict[str, int], message: str) -> None:
    layout = npy_layout(tmp_path / "npy", photographs(6), **scale)
    with pytest.raises(DataError, match=message):
        prepare_dataset(layout, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_npy_layout_of_another_type_or_count_is_refused(tmp_path: Path) -> None:
    layout = npy_layout(tmp_path / "npy", photographs(4))
    lightness = np.load(layout / NPY_L)
    np.save(layout / NPY_L, lightness[:3])
    with pytest.raises(DataError, match="3 L pictures but 4 ab"):
        prepare_dataset(layout, tmp_path / "out")
    np.save(layout / NPY_L, lightness.astype(np.float32))
    with pytest.raises(DataError, match="found float32"):
        prepare_dataset(layout, tmp_path / "out")


def test_nothing_is_left_when_preparing_fails(folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(folder, tmp_path / "out", on_progress=stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def test_existing_output_is_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="exists"):
        prepare_dataset(folder, tmp_path / "out")


def test_command_prints_the_counts(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert "of 6 photographs" in capsys.readouterr().out


def test_command_refuses_a_folder_without_a_usable_photograph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["dataset", str(empty), "-o", str(tmp_path / "out")]) == 1
    assert "no photographs" in capsys.readouterr().err
    Image.new("RGB", (300, 200), (90, 90, 90)).save(empty / "gray.png")
    assert main(["dataset", str(empty), "-o", str(tmp_path / "out")]) == 1
    assert "no usable photograph to train on (1 found, 0 unreadable, 1 near-gray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="edgecolor dataset"):
        open_dataset(tmp_path)


def test_a_split_without_photographs_gives_no_pairs(folder: Path, tmp_path: Path) -> None:
    prepare_dataset(folder, tmp_path / "out")
    lightness, ab = load_pairs(open_dataset(tmp_path / "out"), np.array([], np.int64))
    assert (lightness.shape, ab.shape) == ((0, 224, 224, 1), (0, 56, 56, 2))


@pytest.mark.parametrize(
    "change",
    [
        {"rows": []},
        {"rows": {"train": [0]}},
        {"rows": {"train": [0], "val": [10**30]}},
        {"rows": {"train": [0], "val": [99]}},
        {"rows": {"train": [0], "val": [-1]}},
        {"rows": {"train": 0, "val": [1]}},
        {"rows": {"train": [0.5], "val": [1]}},
        {"rows": {"train": [None], "val": [1]}},
        {"names": ["one"]},
        {"names": [1, 2, 3, 4, 5, 6, 7, 8]},
        {"sha256": None},
    ],
    ids=str,
)
def test_a_description_of_other_arrays_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object]
) -> None:
    prepare_dataset(folder, tmp_path / "out")
    info = tmp_path / "out" / "info.json"
    info.write_text(json.dumps(json.loads(info.read_text("utf-8")) | change), "utf-8")
    assert main(["train", str(tmp_path / "out"), "-o", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert (
        error.startswith(f"edgecolor: {tmp_path / 'out'}: not a prepared dataset. ")
        and error.count("\n") == 1
    )


def test_a_second_process_that_makes_the_same_dataset_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "photos" / "a.png")
    code = (
        "import pathlib; from edgecolor_runtime.system.files import staged_folder\n"
        "with staged_folder(pathlib.Path('out')): print('started', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "started\n"
        with pytest.raises(EdgecolorError, match=rf"out: process {other.pid} is making this folder"):
            prepare_dataset(tmp_path / "photos", tmp_path / "out")
        other.kill()
    with pytest.raises(DataError, match="no usable photograph"):
        prepare_dataset(tmp_path / "photos", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"], "the files of the killed process"
