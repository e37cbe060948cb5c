"""`edgecolor compare`: two exported files and a network, evaluated, timed and reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgecolor.cli import main
from edgecolor.report.comparison import short_names

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "models"
SMALL = ["--threads", "1", "--width", "160", "--height", "120"]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for file in sorted((ROOT / "calibration").glob("*.jpg"))[:3]:
        shutil.copy(file, folder)
    return folder


def test_three_files_to_a_page(photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And once more, with nothing left to measure; then with one photograph less, evaluated anew."""
    page, figures = tmp_path / "out" / "page.html", tmp_path / "figures.json"
    files = [MODELS / "s/s_int8.tflite", MODELS / "m/m_int8.tflite", MODELS / "s/s.keras"]
    words = ["compare", *map(str, files), "s", "--data", str(photographs), "-o", str(page), *SMALL]
    words += ["--json", str(figures), "--force"]
    assert main(words) == 0
    output = capsys.readouterr()
    assert f"s: the same file as {files[0]}; left out" in output.err
    assert output.err.count("coloring the photographs") == 3 and "timing in turns: " in output.err
    assert " take " in output.out and output.out.endswith(f"{page}\n")
    result = json.loads(figures.read_text("utf-8"))
    by_label = {file["label"]: file for file in result["files"]}
    assert by_label.keys() == {"s_int8.tflite", "m_int8.tflite", "s.keras"}
    assert by_label["s_int8.tflite"]["bytes"] == files[0].stat().st_size
    assert by_label["s.keras"]["precision"] == "float32" and by_label["s.keras"]["alpha"] == 0.25
    (device,) = result["devices"]
    timed = {t["letter"] for t in device["timings"]}
    assert timed == {by_label["s_int8.tflite"]["letter"], by_label["m_int8.tflite"]["letter"]}
    records = sorted((tmp_path / "out/page.records").iterdir())
    assert len(records) == 5

    before = [record.stat().st_mtime_ns for record in records]
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.err.count("evaluated before") == 3 and output.err.count("timed before") == 2
    assert [record.stat().st_mtime_ns for record in records] == before

    next(photographs.iterdir()).unlink()
    next(r for r in records if r.name.endswith("bench.json")).write_text("{")
    words.remove(str(files[2]))
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.err.count("coloring the photographs") == 2 and output.err.count("timed before") == 1
    assert json.loads(figures.read_text("utf-8"))["photographs"] == 2


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["nowhere.tflite"], 5, "no such model file"),
        ([str(MODELS / "s/s.keras")], 2, "A .keras cannot be timed"),
        (["s", "--pictures", "nobody*"], 2, "no photograph in"),
        (["s", "--threads", "999"], 2, "--threads 999"),
    ],
)
def test_wrong_calls_end_before_anything_is_measured(
    words: list[str],
    code: int,
    text: str,
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "page.html"
    assert main(["compare", *words, "--data", str(photographs), "-o", str(page)]) == code
    output = capsys.readouterr()
    assert text in output.err and output.err.count("\n") == 1 and output.out == ""
    assert not page.exists() and not page.with_suffix(".records").exists()


def test_no_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "s", "--data", str(tmp_path), "-o", str(tmp_path / "page.html")]) == 1
    assert "no photographs in this folder" in capsys.readouterr().err


def test_names_are_as_short_as_they_may_be() -> None:
    assert short_names(["runs/a/model.tflite", "runs/b/model.tflite", "other/x.tflite", "s"]) == {
        "runs/a/model.tflite": "a/model.tflite",
        "runs/b/model.tflite": "b/model.tflite",
        "other/x.tflite": "x.tflite",
        "s": "s",
    }
    assert short_names(["/one/a/m.tflite", "/two/a/m.tflite"]) == {
        "/one/a/m.tflite": "one/a/m.tflite",
        "/two/a/m.tflite": "two/a/m.tflite",
    }
    assert short_names(["m.tflite", "a/m.tflite"]) == {"m.tflite": "m.tflite", "a/m.tflite": "a/m.tflite"}
