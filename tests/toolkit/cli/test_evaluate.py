"""`edgecolor evaluate`: its table, its record, its sheets, its refusals."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor.evaluation.evaluator import crop_square
from edgecolor.records.identity import identify
from edgecolor.support.json_records import to_json

TESTS = Path(__file__).parents[2]
CALIBRATION = TESTS.parent / "calibration"
PHOTOGRAPHS = sorted(CALIBRATION.glob("*.jpg"))[:5]
TINY = TESTS / "edge_runtime" / "data" / "tiny-int8.tflite"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("photographs")
    for path in PHOTOGRAPHS:
        (where / path.name).write_bytes(path.read_bytes())
    return where


def test_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(TINY), str(folder)]) == 0
    out, err = capsys.readouterr()
    assert f"photographs  {len(PHOTOGRAPHS)}" in out
    assert "G56" in out and "saturation" in out
    assert f"{len(PHOTOGRAPHS)} of {len(PHOTOGRAPHS)} photographs" in err


def test_json_and_sheets_are_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, sheet = tmp_path / "report.json", tmp_path / "sheet.jpg"
    words = ["evaluate", str(TINY), str(folder), "--reference", str(TINY), "--json", "-q"]
    words += ["-o", str(report), "--sheet", str(sheet), "--extremes", str(tmp_path / "extremes.png")]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    record = json.loads(out)
    assert record == json.loads(report.read_text())
    assert record["fidelity"]["ab_difference"] == 0
    assert record["fidelity"]["chroma_ratio"] == 1
    gains = {s["name"]: s["psnr"][10] - s["psnr"][0] for s in record["scores"]}
    assert record["best"][0] == max(gains, key=lambda name: gains[name])
    assert record["worst"][0] == min(gains, key=lambda name: gains[name])
    assert record["recognition"] is None
    assert len(record["plane"]["curve"]) == 17
    assert [s["name"] for s in record["scores"]] == [p.name for p in PHOTOGRAPHS]
    with Image.open(sheet) as picture:
        assert picture.width > 6 * 224
    assert sorted(p.name for p in tmp_path.iterdir()) == ["extremes.png", "report.json", "sheet.jpg"]

    assert main(words) == 2
    assert "report.json: exists already" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0


def test_the_record_identifies_its_file_and_keeps_thumbnails(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of photographs whose names match; nothing of other photographs leaves this machine."""
    out = tmp_path / "record.json"
    pattern = f"{PHOTOGRAPHS[2].stem[:-1]}[{PHOTOGRAPHS[2].stem[-1]}].*"
    assert main(["evaluate", str(TINY), str(folder), "-q", "-o", str(out), "--pictures", pattern]) == 0
    record = json.loads(out.read_text("utf-8"))
    assert record["schema"] == "edgecolor-evaluation/1"
    data = TINY.read_bytes()
    assert record["file"] == to_json(identify(str(TINY)))
    assert (record["file"]["file"], record["file"]["bytes"]) == (TINY.name, len(data))
    assert record["file"]["sha256"] == hashlib.sha256(data).hexdigest() != record["file"]["flatbuffer_sha256"]
    (kept,) = record["pictures"]
    assert kept["name"] == PHOTOGRAPHS[2].name
    original, finished = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(kept[key]))), dtype=np.int16)
        for key in ("original", "finished")
    )
    with Image.open(PHOTOGRAPHS[2]) as photograph:
        assert np.abs(original - crop_square(photograph)).mean() < 4
    luma, truth = (np.asarray(Image.fromarray(p.astype(np.uint8)).convert("L")) for p in (finished, original))
    assert np.abs(luma.astype(np.int16) - truth).mean() < 12
    assert np.abs(original - finished).mean() > 1, "not a copy"
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["nowhere.tflite", str(CALIBRATION)], 5, "nowhere.tflite: no such model file"),
        ([str(TINY), str(CALIBRATION), "--classifier", str(TINY)], 5, "expected (1, 224, 224, 3)"),
        ([str(TINY), str(CALIBRATION), "--classifier", "nowhere.tflite"], 5, "nowhere.tflite: no such file"),
        ([str(TINY), "nowhere"], 1, "no such folder of photographs"),
        ([str(TINY), str(CALIBRATION), "--pictures", "*"], 2, "add -o FILE or --json"),
        ([str(TINY), str(CALIBRATION), "--pictures", "no*", "--json"], 2, "no photograph in"),
        ([str(TINY), str(CALIBRATION), "--sheet", "sheet.xyz"], 2, "cannot write .xyz"),
        ([str(PHOTOGRAPHS[0]), str(CALIBRATION)], 5, "not a TFLite model"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(
    words: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
