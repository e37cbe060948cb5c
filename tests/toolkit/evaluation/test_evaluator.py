"""Evaluation from photographs on disk to figures, with predictors whose answer is known."""

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
from edgecolor.cli.measure.evaluate import table
from edgecolor.data.photographs import list_photographs
from edgecolor.evaluation.evaluator import crop_square, evaluate_predictor
from edgecolor.evaluation.predictor import ExportedPredictor, finish, open_predictor
from edgecolor.evaluation.scores import ColoredPhotograph
from edgecolor.records.identity import identify
from edgecolor.records.thumbnails import choose_thumbnails
from edgecolor.support.json_records import to_json
from edgecolor_runtime.colors.spaces import F32, U8, lightness_to_gray, rgb_to_lab
from edgecolor_runtime.errors import DataError, ModelFileError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.signature import CHROMA_SIZE

TESTS = Path(__file__).parents[2]
CALIBRATION = TESTS.parent / "calibration"
PHOTOGRAPHS = sorted(CALIBRATION.glob("*.jpg"))[:5]
TINY = TESTS / "edge_runtime" / "data" / "tiny-int8.tflite"


class Oracle:
    """Knows the true ab of the photographs, and can be made to say something near it."""

    def __init__(
        self, name: str, *, gain: float = 1, offset: float = 0, saturation: float | None = None
    ) -> None:
        self.name, self.saturation = name, saturation
        self._gain, self._offset = gain, offset
        self._ab: dict[bytes, F32] = {}
        for path in PHOTOGRAPHS:
            lab = rgb_to_lab(crop_square(Image.open(path)))
            ab = np.stack([block_mean(lab[..., 1]), block_mean(lab[..., 2])], axis=-1)
            self._ab[lightness_to_gray(lab[..., 0]).tobytes()] = ab

    def predict(self, grays: U8) -> F32:
        return np.stack([self._ab[g.tobytes()] * self._gain + self._offset for g in grays]).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("photographs")
    for path in PHOTOGRAPHS:
        (where / path.name).write_bytes(path.read_bytes())
    return where


def test_true_color_at_56_x_56_gains_more_than_ten_decibels(folder: Path) -> None:
    result = evaluate_predictor(Oracle("true"), folder)
    assert result.plane.gain > 10
    assert 0.9 < result.plane.share < 1.01, "56 x 56 loses a little color, not a tenth"
    assert result.plane.colorfulness_error < 0.1
    assert result.plane.luma_drift < 1
    assert result.data.photographs == len(result.scores) == len(PHOTOGRAPHS)


def test_gray_gains_nothing(folder: Path) -> None:
    result = evaluate_predictor(Oracle("gray", gain=0), folder)
    assert result.plane.gain == result.plane.best == 0
    assert result.plane.colorfulness_error == 1
    assert result.plane.g56 is None


def test_the_models_own_saturation_is_one_on_the_plane(folder: Path) -> None:
    plain = evaluate_predictor(Oracle("half", gain=0.5), folder)
    raised = evaluate_predictor(Oracle("half", gain=0.5, saturation=2), folder)
    assert plain.saturation == 1
    assert raised.saturation == 2
    assert raised.plane.gain > plain.plane.gain + 3
    assert raised.plane.share == pytest.approx(2 * plain.plane.share, abs=0.05)
    assert "without its own saturation" not in table(plain)
    line = next(line for line in table(raised).splitlines() if "without its own saturation" in line)
    assert float(line.split()[2]) == pytest.approx(plain.plane.gain, abs=0.05)


def test_fidelity_measures_what_was_changed(folder: Path) -> None:
    shifted = evaluate_predictor(Oracle("shifted", offset=0.75), folder, reference=Oracle("true")).fidelity
    assert shifted is not None
    assert shifted.ab_difference == pytest.approx(0.75, abs=1e-4)
    assert shifted.worst == pytest.approx(0.75, abs=1e-4)
    weaker = evaluate_predictor(Oracle("weaker", gain=0.9), folder, reference=Oracle("true")).fidelity
    assert weaker is not None
    assert weaker.chroma_ratio == pytest.approx(0.9, abs=1e-4)
    gain = weaker.paired.gain
    assert gain is not None
    assert gain.mean < -2 * gain.error, "a tenth less of the true color is a clear loss"


def test_the_reference_is_its_own_equal(folder: Path) -> None:
    # The reference has no saturation of its own: it is shown with the model's.
    same = evaluate_predictor(Oracle("true", saturation=0.8), folder, reference=Oracle("reference")).fidelity
    assert same is not None
    assert (same.ab_difference, same.chroma_ratio) == (0, 1)
    for difference in (same.paired.g56, same.paired.g83, same.paired.gain):
        assert difference is not None
        assert (difference.mean, difference.error) == (0, 0)


def test_photographs_come_in_order_with_what_was_made_of_them(folder: Path) -> None:
    shown: list[ColoredPhotograph] = []
    counts: list[tuple[int, int]] = []
    evaluate_predictor(
        Oracle("true"), folder, show=shown.append, progress=lambda done, total: counts.append((done, total))
    )
    assert [s.photograph.name for s in shown] == [p.name for p in PHOTOGRAPHS]
    assert counts[-1] == (len(PHOTOGRAPHS), len(PHOTOGRAPHS))
    for one in shown:
        luma = np.asarray(Image.fromarray(one.finished).convert("L"), dtype=np.int16)
        assert np.abs(luma - one.photograph.gray).max() <= 1
        assert np.ptp(one.finished, axis=-1).mean() > 5, "no color"


def test_the_set_is_known_by_its_contents(folder: Path, tmp_path: Path) -> None:
    for path in PHOTOGRAPHS:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    one, two = (evaluate_predictor(Oracle("gray", gain=0), where).data for where in (folder, tmp_path))
    assert one == two
    (tmp_path / PHOTOGRAPHS[0].name).unlink()
    assert evaluate_predictor(Oracle("gray", gain=0), tmp_path).data.sha256 != one.sha256


def test_photographs_are_found_in_subfolders_and_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.JPG", "b/a.png", "manifest.csv"):
        (tmp_path / name).touch()
    assert list_photographs(tmp_path) == [tmp_path / "b/a.png", tmp_path / "c.JPG"]


def test_bad_data_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list_photographs(tmp_path / "none")
    with pytest.raises(DataError, match="no photographs"):
        list_photographs(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(PHOTOGRAPHS[0].read_bytes()[:2000])
    with pytest.raises(DataError, match=r"broken\.jpg: not a readable picture"):
        evaluate_predictor(Oracle("gray", gain=0), tmp_path)


def test_a_square_is_the_middle_of_the_photograph() -> None:
    wide = Image.new("RGB", (900, 300), (200, 0, 0))
    wide.paste((0, 0, 200), (300, 0, 600, 300))
    assert crop_square(wide).shape == (224, 224, 3)
    assert (crop_square(wide) == (0, 0, 200)).all()


def test_finishing_is_the_colorizers() -> None:
    colorizer = Colorizer.open(TINY, saturation=1.3)
    gray = np.asarray(Image.open(PHOTOGRAPHS[1]).convert("L").resize((224, 224)))
    expected = np.asarray(colorizer.colorize(Image.fromarray(gray)).to_rgb())
    ab = ExportedPredictor("tiny", colorizer).predict(gray[None])
    assert ab.shape == (1, CHROMA_SIZE, CHROMA_SIZE, 2)
    np.testing.assert_array_equal(finish(gray, ab[0], 1.3), expected)


def test_opening_a_model_that_is_not_there() -> None:
    with pytest.raises(ModelFileError, match="no such file, and no shipped model"):
        open_predictor("nowhere.tflite")


def test_the_command_prints_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(TINY), str(folder)]) == 0
    out, err = capsys.readouterr()
    assert f"photographs  {len(PHOTOGRAPHS)}" in out
    assert "G56" in out and "saturation" in out
    assert f"{len(PHOTOGRAPHS)} of {len(PHOTOGRAPHS)} photographs" in err


def test_the_command_writes_json_and_a_sheet(
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


def test_the_record_knows_its_file_and_keeps_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of photographs of a name; of others nothing leaves this machine."""
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


def test_pictures_are_spread_and_the_same_for_every_model(tmp_path: Path) -> None:
    for i in range(20):
        (tmp_path / f"{i:02d}.jpg").touch()
    assert choose_thumbnails(tmp_path, "*") == ("00.jpg", "03.jpg", "06.jpg", "10.jpg", "13.jpg", "16.jpg")
    assert choose_thumbnails(tmp_path, "1[89]*") == ("18.jpg", "19.jpg")


def test_a_network_is_known_by_its_file_and_facts() -> None:
    path = TESTS.parent / "models/s/s.keras"
    identity = identify(str(path))
    assert (identity.file, identity.name, identity.precision, identity.alpha) == (
        "s.keras",
        "s",
        "float32",
        0.25,
    )
    assert (identity.flatbuffer_sha256, identity.parameters, identity.bytes) == (
        None,
        None,
        path.stat().st_size,
    )


def test_one_photograph_has_no_standard_error(tmp_path: Path) -> None:
    """Which is no number, and JSON knows none that is none."""
    (tmp_path / "one.jpg").write_bytes(PHOTOGRAPHS[0].read_bytes())
    record = evaluate_predictor(Oracle("true"), tmp_path, reference=Oracle("weak", gain=0.9)).to_json()
    assert record["fidelity"]["paired"]["gain"]["error"] is None
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["nowhere.tflite", str(CALIBRATION)], 5, "no such file"),
        ([str(TINY), str(CALIBRATION), "--classifier", str(TINY)], 5, "expected (1, 224, 224, 3)"),
        ([str(TINY), str(CALIBRATION), "--classifier", "nowhere.tflite"], 5, "nowhere.tflite: no such file"),
        ([str(TINY), "nowhere"], 1, "no such folder of photographs"),
        ([str(TINY), str(CALIBRATION), "--pictures", "*"], 2, "add -o FILE or --json"),
        ([str(TINY), str(CALIBRATION), "--pictures", "no*", "--json"], 2, "no photograph in"),
        ([str(TINY), str(CALIBRATION), "--sheet", "sheet.xyz"], 2, "cannot write .xyz"),
        ([str(PHOTOGRAPHS[0]), str(CALIBRATION)], 5, "not a TFLite model"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    words: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
