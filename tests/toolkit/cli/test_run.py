"""`edgecolor run` on photographs: arguments, results, exit codes and messages."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.inference import interpreter
from edgecolor_runtime.models import shipped

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four good gray pictures, one in a sub-folder."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.png", "c.tif", "sub/d.webp"):
        coarse = Image.fromarray(rng.integers(30, 220, (6, 8), dtype=np.uint8))
        coarse.resize((120, 90), Image.Resampling.BICUBIC).save(folder / name)
    return folder


def run(*arguments: object) -> int:
    return main(["run", "--model", str(MODEL), *map(str, arguments)])


def assert_colored(source: Path, target: Path) -> None:
    with Image.open(source) as before, Image.open(target) as after:
        assert after.mode == "RGB" and after.size == before.size
        gray = np.asarray(before.convert("L"), float)
        rgb = np.asarray(after, float)
        assert np.abs(np.asarray(after.convert("L"), float) - gray).mean() <= 2
    assert np.ptp(rgb, axis=2).mean() > 3


def test_one_picture(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos / "a.jpg", "-o", tmp_path / "out.png") == 0
    assert capsys.readouterr() == (f"{tmp_path / 'out.png'}\n", "")
    assert_colored(photos / "a.jpg", tmp_path / "out.png")


def test_a_missing_delegate(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos / "a.jpg", "-o", tmp_path / "out.png", "--delegate", tmp_path / "none.so") == 4
    assert "none.so" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_sub_folder_that_cannot_be_listed_is_reported(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:  # tests may run as root, who is refused nothing
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert run(photos, "-o", tmp_path / "out") == 1
    assert f"{photos / 'sub'}" in capsys.readouterr().err
    assert len(list((tmp_path / "out").iterdir())) == 3 + 1, "and the manifest"


def test_beside_the_input(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos / "a.jpg") == 0
    assert_colored(photos / "a.jpg", photos / "a.color.jpg")
    assert run(photos / "a.jpg") == 2
    assert "a.color.jpg: exists already; use --force to replace it" in capsys.readouterr().err
    assert run(photos / "a.jpg", "--force") == 0


def test_a_folder(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(photos, "-o", out) == 0
    captured = capsys.readouterr()
    names = ["a.jpg", "b.png", "c.tif", "sub/d.webp"]
    assert captured.out.splitlines() == [str(out / name) for name in names]
    assert captured.err.startswith("4 of 4 colored in ")
    for name in names:
        assert_colored(photos / name, out / name)
    assert not list(out.rglob("*.part"))


def test_a_folder_names_its_model(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, model in ((["-m", "s"], "s (small, fast)"), (["-f"], "m (medium, better colors)")):
        assert main(["run", str(photos), "-o", str(tmp_path / model[0]), *words]) == 0
        assert capsys.readouterr().err.splitlines()[-1].endswith(f", with model {model}")


def test_a_name_that_is_not_utf_8_and_damaged_tags(photos: Path) -> None:
    """The name is printed unchanged on stdout, and no warnings of Pillow on stderr."""
    name = photos / os.fsdecode(b"\xff.jpg")
    exif = Image.Exif()
    exif[271] = "a maker with a long name"
    block = exif.tobytes().replace(struct.pack(">I", 25), struct.pack(">I", 999))
    Image.new("L", (9, 9), 90).save(name, exif=block)
    done = subprocess.run(
        [sys.executable, "-m", "edgecolor", "run", name, "--model", MODEL],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    note = rb"/\udcff.jpg: damaged entries of its EXIF block were left out: 1"
    assert (done.returncode, done.stderr) == (0, os.fsencode(photos) + note + b"\n")
    assert done.stdout == os.fsencode(photos) + b"/\xff.color.jpg\n"


def test_quiet(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos, "-o", tmp_path / "out", "--quiet") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("threads", [1, 3])
def test_bad_pictures_do_not_stop_good_ones(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], threads: int
) -> None:
    (photos / "empty.jpg").touch()
    (photos / "text.png").write_text("no picture")
    (photos / "half.jpg").write_bytes((photos / "a.jpg").read_bytes()[:300])
    (photos / "notes.txt").write_text("not even named like one")
    out = tmp_path / "out"
    assert run(photos, "-o", out, "--threads", threads) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 4
    for name, reason in {"empty.jpg": "empty file", "text.png": "not a picture", "half.jpg": ""}.items():
        assert f"edgecolor: {photos / name}: {reason}" in captured.err
    assert captured.err.splitlines()[-1] == "edgecolor: 3 of 7 pictures failed"
    files = sorted(path.name for path in out.rglob("*") if path.is_file())
    assert files == ["a.jpg", "b.png", "c.tif", "d.webp", "manifest.jsonl"]


def test_json(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "empty.jpg").touch()
    frames = [Image.new("L", (9, 9), tone) for tone in (50, 150)]
    frames[0].save(photos / "z.gif", save_all=True, append_images=frames[1:])
    assert run(photos, "-o", tmp_path / "out", "--json") == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["model"]["name"] == "tiny" and len(report["model"]["sha256"]) == 64
    assert [Path(entry["output"]).name for entry in report["pictures"]] == [
        "a.jpg",
        "b.png",
        "c.tif",
        "z.png",
        "d.webp",
    ]
    assert report["pictures"][0]["size"] == [120, 90]
    assert report["pictures"][3]["notes"] == ["holds 2 frames; only the first is colored"]
    assert report["failed"] == [
        {"input": str(photos / "empty.jpg"), "error": f"{photos / 'empty.jpg'}: empty file"}
    ]
    assert f"{photos / 'z.gif'}: holds 2 frames; only the first is colored" in captured.err


def test_saturation(photos: Path, tmp_path: Path) -> None:
    spread = []
    for gain in ("0", "0.5", "1"):
        assert run(photos / "b.png", "-o", tmp_path / f"{gain}.png", "--saturation", gain) == 0
        with Image.open(tmp_path / f"{gain}.png") as image:
            spread.append(np.ptp(np.asarray(image, float), axis=2).mean())
    assert spread[0] == 0 and spread[0] < spread[1] < spread[2]


def test_quality(photos: Path, tmp_path: Path) -> None:
    for quality in (20, 95):
        assert run(photos / "b.png", "-o", tmp_path / f"{quality}.jpg", "--quality", quality) == 0
    assert (tmp_path / "20.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size


@pytest.fixture
def here(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parent of the folder of photographs, as the current folder."""
    monkeypatch.chdir(photos.parent)
    return photos.parent


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["none.jpg"], 1, "none.jpg: No such file"),
        (["photos", "-o", "x.jpg"], 2, "several pictures need a folder"),
        (["photos/a.jpg", "-o", "x.gif"], 2, "cannot write .gif"),
        (["photos/a.jpg", "-o", "photos/a.jpg", "--force"], 2, "would replace a picture"),
        (["empty"], 1, "no pictures in this folder"),
        (["photos/a.jpg", "--model", "none.tflite"], 5, "no such model file"),
        (["photos/a.jpg", "--model", "nobody"], 5, "no shipped model is called nobody"),
    ],
)
def test_one_clear_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    (here / "empty").mkdir()
    before = sorted(here.rglob("*"))
    assert run(*arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("edgecolor: ") and says in captured.err
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("damage", ["truncated", "appended", "flipped", "other network", "bare", "empty"])
def test_a_bad_model_never_reaches_the_interpreter(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
) -> None:
    data = MODEL.read_bytes()
    network = data.index(b"PK\3\4")
    flipped = bytearray(data)
    flipped[network // 2] ^= 1
    other = data[:8] + bytes(network - 8)
    content = {
        "truncated": data[:-100],
        "appended": data + b"garbage",
        "flipped": bytes(flipped),
        "other network": other + data[network:],
        "bare": data[:network],
        "empty": b"",
    }[damage]
    (tmp_path / "bad.tflite").write_bytes(content)

    def called(*args: object, **options: object) -> None:
        pytest.fail("the interpreter received the model")

    monkeypatch.setattr(interpreter, "load_interpreter", called)
    monkeypatch.setattr("edgecolor_runtime.inference.colorizer.load_interpreter", called)
    monkeypatch.setattr(interpreter, "_library", called)
    assert run(photos, "-o", tmp_path / "out", "--model", tmp_path / "bad.tflite") == 5
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "bad.tflite" in error
    assert not (tmp_path / "out").exists()


def test_the_shipped_model_is_the_default(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", {"m": shipped.ShippedModel("m.tflite", "0" * 64)})
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    (tmp_path / "models").mkdir()
    shutil.copy(MODEL, tmp_path / "models" / "m.tflite")
    assert main(["run", str(photos / "a.jpg")]) == 5
    assert "not the file of this release" in capsys.readouterr().err
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    monkeypatch.setattr(shipped, "SHIPPED", {"m": shipped.ShippedModel("m.tflite", digest)})
    assert main(["run", str(photos / "a.jpg")]) == 0
    assert_colored(photos / "a.jpg", photos / "a.color.jpg")


def test_an_output_that_cannot_be_written_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    """Files are limited to 2900 bytes, as on a full disk."""
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-B", "-m", "edgecolor", "run", photos, "-o", out, "--model", MODEL],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2900, 2900)),
    )
    assert done.returncode == 1
    assert f"edgecolor: {out / 'b.png'}: cannot be written: File too large" in done.stderr
    kept = [str(path) for path in out.rglob("*") if path.is_file() and path.name != "manifest.jsonl"]
    assert sorted(kept) == sorted(done.stdout.split()), "no half-written file, no temporary file"
    for name in kept:
        with Image.open(name) as image:
            image.load()


@pytest.fixture
def three_pages(tmp_path: Path) -> Path:
    """A TIFF file of three different pages."""
    rng = np.random.default_rng(1)
    pages = [
        Image.fromarray(rng.integers(30, 220, (6, 8), dtype=np.uint8)).resize((120 + 8 * number, 90))
        for number in range(3)
    ]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    return tmp_path / "pages.tif"


def test_all_pages_of_a_tiff_file(
    three_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.tif"
    assert run(three_pages, "-o", out) == 0
    assert capsys.readouterr() == (f"{out}\n", f"{three_pages}: its 3 pages were colored\n")
    with Image.open(three_pages) as before, Image.open(out) as after:
        assert after.n_frames == 3  # type: ignore[attr-defined]
        for number in range(3):
            before.seek(number)
            after.seek(number)
            assert after.size == before.size == (120 + 8 * number, 90)
            difference = np.asarray(after.convert("L"), float) - np.asarray(before, float)
            assert np.abs(difference).max() <= 2
            assert np.ptp(np.asarray(after, float), axis=2).mean() > 3


def test_one_page(three_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(three_pages, "-o", tmp_path / "2.tif", "--page", "2") == 0
    assert capsys.readouterr().err == ""
    with Image.open(tmp_path / "2.tif") as image:
        assert image.n_frames == 1 and image.size == (128, 90)  # type: ignore[attr-defined]
    assert run(three_pages, "-o", tmp_path / "1.png") == 0
    assert capsys.readouterr().err == f"{three_pages}: holds 3 pages; only the first is colored\n"
    assert run(three_pages, "-o", tmp_path / "4.png", "--page", "4") == 1
    assert capsys.readouterr().err == f"edgecolor: {three_pages}: there is no page 4; the file has 3\n"
    assert run(three_pages, "-o", tmp_path / "0.png", "--page", "0") == 2


def test_a_file_with_almost_nothing_in_it_is_a_damaged_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.linear_gradient("L").save(tmp_path / "whole.jpg")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((tmp_path / "whole.jpg").read_bytes()[:100])
    assert run(broken) == 1
    assert capsys.readouterr().err.startswith(f"edgecolor: {broken}: damaged picture (")


def test_other_settings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "album").mkdir()
    Image.linear_gradient("L").save(tmp_path / "album/a.png")
    assert run(tmp_path / "album", "-o", tmp_path / "out") == 0
    assert run(tmp_path / "album", "-o", tmp_path / "out", "-m", "s") == 2
    assert "was colored with another model and another saturation; name" in capsys.readouterr().err


def test_pages_in_a_folder(three_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    (tmp_path / "album").mkdir()
    three_pages.rename(tmp_path / "album" / "a.tif")
    assert run(tmp_path / "album", "-o", out) == 0
    line = json.loads((out / "manifest.jsonl").read_text())
    assert line["notes"] == ["its 3 pages were colored"] and line["page"] is None
    assert run(tmp_path / "album", "-o", out, "--page", "2") == 2
    assert "was colored with another page" in capsys.readouterr().err


def test_a_photograph_that_is_cut_off(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = (photos / "a.jpg").read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(data[: len(data) * 4 // 5])
    assert run(cut, "-o", tmp_path / "out.png", "--json") == 0
    captured = capsys.readouterr()
    note = json.loads(captured.out)["pictures"][0]["notes"][0]
    assert note.startswith("the lower ") and note.endswith(" % are missing")
    assert captured.err == f"{cut}: {note}\n"
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (120, 90)
    assert run(cut, "-o", tmp_path / "strict.png", "--strict") == 1
    reason = f"damaged picture: {note}"
    assert capsys.readouterr().err == f"edgecolor: {cut}: {reason}\n"
    assert not (tmp_path / "strict.png").exists()


@pytest.mark.parametrize("option", [["--page", "2"], ["--strict"], ["--verify"]])
def test_options_for_photographs_only(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").touch()
    assert run(tmp_path / "a.mp4", *option) == 2
    assert capsys.readouterr().err == f"edgecolor: {option[0]} is for photographs\n"


def test_range_of_a_photograph_with_16_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thermal picture spans a small part of its type: a note says so, and --range stretches it."""
    monkeypatch.chdir(tmp_path)
    ramp = np.tile(np.linspace(29_000, 31_500, 64), (48, 1)).astype(np.uint16)
    Image.fromarray(ramp).save("thermal.png")
    Image.fromarray(ramp).save("thermal.tif")
    for name in ("thermal.png", "thermal.tif"):
        out = f"out-{name}"
        assert main(["run", name, "-o", out, "--saturation", "0", "-m", str(MODEL)]) == 0
        assert "its values span only 29000 to 31500 of 65535; --range 29000:31500" in capsys.readouterr().err
        fixed = ["--range", "29000:34000", "--saturation", "0", "--force", "-m", str(MODEL)]
        assert main(["run", name, "-o", out, *fixed]) == 0
        assert "range" not in capsys.readouterr().err
        levels = np.asarray(open_picture(out).gray).mean(0)
        assert np.abs(levels - np.linspace(0, 127.5, 64)).max() < 2
    assert main(["run", "thermal.png", "-o", "x.png", "--range", "9:3"]) == 2


def test_another_range_does_not_resume_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((48, 64), 30_000, np.uint16)).save(tmp_path / "in" / "a.png")
    command = ["run", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-m", str(MODEL)]
    assert main([*command, "--range", "29000:31000"]) == 0
    assert main([*command, "--range", "29000:31000"]) == 0
    assert main(command) == 2
    assert "range" in capsys.readouterr().err
