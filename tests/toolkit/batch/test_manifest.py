"""The manifest of an output folder: its lines, and how a run is resumed."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecolor.batch.folder_run import color_folder
from edgecolor.batch.manifest import read_entries
from edgecolor.batch.plan import PictureResult
from edgecolor.cli import main
from edgecolor_runtime.errors import EdgecolorError

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures with unusual names; their parent is the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "a.png", "a.bmp", "sub/a.jpg", "two\nlines.jpg", "ä ß.jpg"):
        coarse = Image.fromarray(rng.integers(30, 220, (6, 8), dtype=np.uint8))
        coarse.resize((80, 60)).save(folder / name)
    return folder


def run(*words: object) -> int:
    return main(["run", "album", "-o", "out", "--model", str(MODEL), *map(str, words)])


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]


def line_with(**values: object) -> str:
    """Return the line of a colored picture with other values; ... removes a value."""
    entry: dict[str, object] = {
        "source": "/a.jpg", "result": "a.jpg", "status": "done", "size": [80, 60], "notes": [], "modified": 1,
        "stored": 9, "model": "00", "saturation": 1.0, "quality": 95, "delegate": None,
    }  # fmt: skip
    return json.dumps({k: v for k, v in (entry | values).items() if v is not ...}) + "\n"


def stamps() -> dict[str, int]:
    """Return the time at which each result was written."""
    files = [p for p in Path("out").rglob("*") if p.is_file() and p.name != "manifest.jsonl"]
    return {str(p): p.stat().st_ctime_ns for p in files}


def test_each_picture_has_a_line(album: Path) -> None:
    (album / "text.jpg").write_text("no picture")
    assert run("--saturation", 0.9, "--quality", 80) == 1
    entries = {entry["result"]: entry for entry in lines()}
    assert set(entries) == {
        "a.jpg", "a.png", "a.bmp.png", "sub/a.jpg", "two\nlines.jpg", "ä ß.jpg", "text.jpg"
    }  # fmt: skip
    good = entries["a.bmp.png"]
    assert good["source"] == str(album / "a.bmp") and good["status"] == "done" and good["size"] == [80, 60]
    assert good["stored"] == Path("out/a.bmp.png").stat().st_size
    assert (good["saturation"], good["quality"], len(good["model"])) == (0.9, 80, 64)
    bad = entries["text.jpg"]
    assert (bad["status"], bad["reason"]) == (
        "failed",
        "album/text.jpg: not a picture in a format that edgecolor reads",
    )


def test_finished_pictures_are_kept(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (album / "text.jpg").write_text("no picture")
    assert run() == 1
    before, first = stamps(), capsys.readouterr()
    Image.new("L", (9, 9)).save(album / "text.jpg")
    Image.new("L", (9, 9)).save(album / "new.jpg")
    assert run() == 0, "failed pictures are tried again, new pictures are colored"
    captured = capsys.readouterr()
    assert "8 of 8 colored" in captured.err and "6 of them earlier" in captured.err
    assert set(first.out.splitlines()) < set(captured.out.splitlines()), "all results are named"
    after = stamps()
    assert {name: after[name] for name in before} == before and len(after) == 8
    assert run("--force") == 0
    assert stamps() == after, "even with --force, identical files are kept"


def test_missing_damaged_and_outdated_results_are_colored_again(album: Path) -> None:
    assert run() == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*.*") if path.name != "manifest.jsonl"}
    Path("out/a.jpg").unlink()
    Path("out/a.png").write_bytes(before[Path("out/a.png")][:-7])
    Path("out/ä ß.jpg").write_bytes(b"")
    size = Path("out/a.bmp.png").stat().st_size
    Path("out/a.bmp.png").write_bytes(bytes(size))
    Image.new("L", (9, 9)).save(album / "sub/a.jpg")
    assert run() == 0, "results of ours are repaired without --force"
    changed = Path("out/sub/a.jpg")
    with Image.open(changed) as image:
        assert image.size == (9, 9)
    assert all(path.read_bytes() == data for path, data in before.items() if path != changed)


def test_a_result_with_one_wrong_byte_is_colored_again(album: Path) -> None:
    assert run() == 0
    result = Path("out/a.jpg")
    before, whole = stamps(), result.read_bytes()
    result.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    os.utime(result, ns=(before["out/a.jpg"], before["out/a.jpg"]))
    assert run() == 0
    assert result.read_bytes() == whole
    del before["out/a.jpg"]
    assert before.items() <= stamps().items()


def test_a_result_that_somebody_edited_is_not_replaced(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    Image.new("RGB", (300, 200), "red").save("out/a.jpg")
    edited = Path("out/a.jpg").read_bytes()
    assert run() == 2
    assert "out/a.jpg: exists already; use --force to replace it" in capsys.readouterr().err
    assert Path("out/a.jpg").read_bytes() == edited
    assert run("--force") == 0
    assert Path("out/a.jpg").read_bytes() != edited


@pytest.mark.parametrize("change", ["size", "inode"])
def test_a_replaced_picture_with_the_same_time_is_colored_again(album: Path, change: str) -> None:
    assert run() == 0
    before, source = stamps(), album / "a.png"
    status = source.stat()
    old = source.read_bytes()
    if change == "size":
        source.write_bytes(old + b"\0")
    else:
        picture = Image.new("L", (80, 60), 99)
        picture.save(album.parent / "new.png")
        new = (album.parent / "new.png").read_bytes()
        (album.parent / "new.png").write_bytes(new + bytes(len(old) - len(new)))
        (album.parent / "new.png").replace(source)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run() == 0
    after = stamps()
    entry = [line for line in lines() if line["result"] == "a.png"]
    assert len(entry) == 2 and entry[1]["source_bytes"] == source.stat().st_size
    assert {name: after[name] for name in before if name != "out/a.png"}.items() <= before.items()
    assert (after["out/a.png"] != before["out/a.png"]) == (change == "inode"), "equal bytes are kept"


def test_a_copy_of_a_picture_with_another_inode_is_kept(album: Path) -> None:
    """Some file systems number their files anew at each mount."""
    assert run() == 0
    before, source = stamps(), album / "a.png"
    shutil.copy2(source, album.parent / "copy")
    (album.parent / "copy").replace(source)
    assert run() == 0
    assert stamps() == before and len(lines()) == 6


def test_the_output_folder_vanishes(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def vanish(result: PictureResult) -> None:
        shutil.rmtree("out", ignore_errors=True)

    for number in range(100):
        Image.new("L", (9, 9), number).save(album / f"{number}.png")
    with pytest.raises(EdgecolorError, match="out: the folder of results was removed or replaced"):
        color_folder("album", "out", model=str(MODEL), on_result=vanish)


def test_an_empty_result_without_a_line_is_replaced(album: Path) -> None:
    """A power cut left it, of a version that did not flush its results."""
    Path("out").mkdir()
    Path("out/a.jpg").touch()
    assert run() == 0
    assert Path("out/a.jpg").stat().st_size and len(lines()) == 6


def test_verify_checks_a_finished_folder(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--verify") == 2
    assert "--verify needs -o with a folder of results" in capsys.readouterr().err
    assert run() == 0
    before = stamps()
    capsys.readouterr()
    assert run("--verify") == 0
    assert capsys.readouterr() == ("", "6 results are intact\n")
    data = Path("out/a.jpg").read_bytes()
    Path("out/a.jpg").write_bytes(data[:50] + b"x" + data[51:])
    Path("out/a.png").write_bytes(b"short")
    Path("out/sub/a.jpg").unlink()
    Image.new("L", (9, 9)).save(album / "new.png")
    (album / "a.bmp").touch()
    assert run("--verify", "--json") == 1
    output, error = capsys.readouterr()
    stored = {entry["result"]: entry["stored"] for entry in lines()}["a.png"]
    faults = {fault["output"]: fault["fault"] for fault in json.loads(output)["faults"]}
    assert faults == {
        "out/a.jpg": "has other bytes than were written",
        "out/a.png": f"has 5 bytes instead of {stored}",
        "out/sub/a.jpg": "is missing",
        "out/new.png": "has no line in the manifest: its picture has not been colored",
        "out/a.bmp.png": "is older than its picture, which has changed",
    }
    assert "edgecolor: out/a.png: has 5 bytes" in error
    assert "5 of 7 results are not intact. To repair them, run the same command without --verify." in error
    kept = ("out/a.bmp.png", "out/two\nlines.jpg", "out/ä ß.jpg")
    assert all(stamps()[name] == before[name] for name in kept), "nothing is written"
    assert run() == 0
    assert run("--verify") == 0


def test_lines_of_older_versions_are_read(album: Path) -> None:
    assert run() == 0
    before, entries = stamps(), lines()
    for entry in entries:
        for name in ("sha256", "source_bytes", "source_inode", "source_sha256"):
            del entry[name]
    Path("out/manifest.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert run() == 0
    assert stamps() == before
    Path("out/a.jpg").write_bytes(b"")
    assert run() == 0
    assert Path("out/a.jpg").stat().st_size


@pytest.mark.parametrize("tail", [b"", b"\n", b'{"result": "a.jpg"}\n'])
def test_zero_bytes_that_a_power_cut_left_in_the_manifest(album: Path, tail: bytes) -> None:
    assert run() == 0
    before, manifest = stamps(), Path("out/manifest.jsonl")
    first = manifest.read_bytes().splitlines(keepends=True)[:2]
    manifest.write_bytes(b"".join(first) + bytes(700) + tail)
    assert run() == 0
    assert stamps() == before and len(lines()) == 6


def test_results_of_an_interrupted_run_are_kept(album: Path) -> None:
    """A killed run may leave a result without its line, and a temporary file."""
    assert run() == 0
    before = stamps()
    manifest = Path("out/manifest.jsonl")
    whole = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(whole[:3]) + whole[3][:50])
    left = Path("out/sub/.a.jpg.01234567-4711-01234567-0123456789ab.part")  # of a lost worker elsewhere
    other = Path("out/sub/.door.mp4.01234567-4711-01234567-0123456789ab.part")  # not a result of ours
    left.touch()
    other.touch()
    assert run() == 0
    assert stamps() == before | {str(other): other.stat().st_ctime_ns} and not left.exists()
    assert len(lines()) == 6


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_lines_are_written(
    album: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    fsync = os.fsync

    def fsync_with_signal(file: int) -> None:
        fsync(file)
        if os.fstat(file).st_size and os.path.samestat(os.fstat(file), Path("out/manifest.jsonl").stat()):
            signal.raise_signal(number)

    monkeypatch.setattr(os, "fsync", fsync_with_signal)
    assert run("--force") == code
    assert capsys.readouterr().err == "6 of 6 done; the same command resumes this run\n" and len(lines()) == 6


def test_other_settings_need_force(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    before = stamps()
    assert run("--saturation", 0.5, "--quality", 50) == 2
    assert (
        "colored with another saturation and another quality; name another folder" in capsys.readouterr().err
    )
    assert stamps() == before
    assert run("--saturation", 0.5, "--force") == 0
    assert all(then != before[name] for name, then in stamps().items())
    assert run("--saturation", 0.5) == 0, "these are now the settings of the folder"


def test_a_foreign_file_is_not_replaced(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out/a.jpg").write_text("mine")
    assert run() == 2
    assert "out/a.jpg: exists already; use --force to replace it" in capsys.readouterr().err
    assert Path("out/a.jpg").read_text() == "mine"


def test_one_run_at_a_time(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    with Path("out/manifest.jsonl").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert run() == 1
    assert "another run works in this folder" in capsys.readouterr().err
    assert list(Path("out").iterdir()) == [Path("out/manifest.jsonl")]


def test_a_line_of_an_older_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(line_with())
    assert [entry["result"] for entry, _ in read_entries(tmp_path / "manifest.jsonl")] == ["a.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "no JSON\n",
        "[]\n",
        '{"result": "a.jpg"}\n',
        "7\n",
        "[" * 100_000 + "\n",
        line_with(quality=...),
        line_with(result=...),
        line_with(result=["a.jpg"]),
        line_with(size=["1", "1"]),
        line_with(notes=[None]),
        line_with(source_sha256=7),
        line_with(model=None),
    ],
)
def test_another_file_of_that_name_is_left_alone(
    album: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    Path("out").mkdir()
    Path("out/manifest.jsonl").write_text(text)
    assert run() == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "manifest.jsonl: line 1 was not written by edgecolor" in error
    assert main(["run", "album", "-o", "out", "--verify"]) == 1
    assert "manifest.jsonl: line 1 was not written by edgecolor" in capsys.readouterr().err
    assert Path("out/manifest.jsonl").read_text() == text


def test_halves_of_characters_in_the_manifest(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    first = next(line for line in lines() if line["result"] == "a.jpg") | {"notes": ["half \ud800"]}
    failed = {"source": "b", "result": "a.png", "status": "failed", "reason": "half \udfff\ud800"}
    Path("out/manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (first, failed)))
    assert run("--verify") == 1
    assert "a.png: was not made: half \\udfff\\ud800\n" in capsys.readouterr().err
    assert run("--force") == 0
    assert "a.jpg: half \\ud800\n" in capsys.readouterr().err


def test_a_run_ended_by_a_full_disk_is_resumed(album: Path) -> None:
    """Files are limited to 1500 bytes: the manifest ends in the middle of a line."""
    for file in album.rglob("*.*"):
        Image.new("L", (2, 2), 90).save(file)
    line = [sys.executable, "-m", "edgecolor", "run", "album", "-o", "out", "--model", str(MODEL)]
    done = subprocess.run(
        line,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)),
    )
    assert done.returncode == 1
    assert done.stderr == "edgecolor: out/manifest.jsonl: cannot be written: File too large\n"
    assert Path("out/manifest.jsonl").stat().st_size == 1500
    before = stamps()
    assert run() == 0
    assert before.items() <= stamps().items() and len(lines()) == 6


def test_results_beside_the_pictures_have_no_manifest(album: Path) -> None:
    assert main(["run", "album", "--model", str(MODEL)]) == 0
    assert not list(album.rglob("manifest.jsonl"))


def test_a_folder_with_the_name_of_a_picture(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder is reported, others are searched. A link to itself is a bad picture."""
    (album / "empty.jpg").mkdir()
    (album / "full.jpg").mkdir()
    (album / "loop.jpg").symlink_to("loop.jpg")
    Image.new("L", (9, 9)).save(album / "full.jpg" / "x.jpg")
    assert run() == 1
    error = capsys.readouterr().err
    assert "album/empty.jpg: Is a directory" in error and "album/loop.jpg: Too many levels" in error
    assert error.splitlines()[-1] == "edgecolor: 2 of 9 pictures failed"
    assert Path("out/full.jpg/x.jpg").is_file()


def test_a_name_that_is_too_long_does_not_stop_the_others(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in (".bmp", ".gif"):  # the second result would be named ....gif.png
        Image.new("L", (9, 9)).save(album / ("x" * 251 + suffix))
    assert run() == 1
    assert "File name too long" in capsys.readouterr().err
    assert len(stamps()) == 6


def test_results_have_the_time_of_their_pictures(album: Path) -> None:
    for number, file in enumerate(sorted(album.rglob("*.*"))):
        os.utime(file, (0, 86_400 * number))
    assert run() == 0
    times = {Path(entry["result"]): Path(entry["source"]).stat().st_mtime_ns for entry in lines()}
    assert len(times) == 6
    assert {name: (Path("out") / name).stat().st_mtime_ns for name in times} == times


def test_another_label_needs_force(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert b"DigitalSourceType" in Path("out/a.png").read_bytes()
    assert run("--no-label") == 2
    assert "label" in capsys.readouterr().err
    assert run("--no-label", "--force") == 0
    assert b"DigitalSourceType" not in Path("out/a.png").read_bytes()
