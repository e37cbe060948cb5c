"""Evaluation from photographs on disk to figures, with predictors whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli.measure.evaluate import table
from edgecolor.data.photographs import list_photographs
from edgecolor.evaluation.evaluator import crop_square, evaluate_predictor
from edgecolor.evaluation.predictor import ExportedPredictor, finish, open_predictor
from edgecolor.evaluation.scores import ColoredPhotograph
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
    """Predict the true ab of the photographs, times a gain, plus an offset."""

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
    assert not any("without its own saturation" in line for line in table(plain))
    line = next(line for line in table(raised) if "without its own saturation" in line)
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
        Oracle("true"),
        folder,
        on_picture=shown.append,
        on_progress=lambda done, total: counts.append((done, total)),
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
    with pytest.raises(DataError, match=r"broken\.jpg: .*\. No photograph can be read\."):
        evaluate_predictor(Oracle("gray", gain=0), tmp_path)


def test_damaged_photographs_are_left_out_and_listed(folder: Path) -> None:
    whole = evaluate_predictor(Oracle("gray", gain=0.5), folder)
    data = PHOTOGRAPHS[0].read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    (folder / "a.png").write_text("no picture")
    result = evaluate_predictor(Oracle("gray", gain=0.5), folder)
    assert (result.data, result.plane, result.scores) == (whole.data, whole.plane, whole.scores)
    assert [entry.name for entry in result.left_out] == ["a.png", "cut.jpg"]
    assert result.left_out[0].reason == "not a picture in a format that edgecolor reads"
    assert "are missing" in result.left_out[1].reason
    assert "left out     2 that cannot be read" in table(result)
    assert len(result.to_json()["left_out"]) == 2


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


def test_one_photograph_has_no_standard_error(tmp_path: Path) -> None:
    """Which is no number, and JSON knows none that is none."""
    (tmp_path / "one.jpg").write_bytes(PHOTOGRAPHS[0].read_bytes())
    record = evaluate_predictor(Oracle("true"), tmp_path, reference=Oracle("weak", gain=0.9)).to_json()
    assert record["fidelity"]["paired"]["gain"]["error"] is None
    json.dumps(record, allow_nan=False)
