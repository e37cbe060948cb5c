"""Coverage and stability of a calibration set: what is refused, what is noted, what is recorded."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from edgecolor.cli import main
from edgecolor.data.calibration import read_calibration
from edgecolor.data.coverage import (
    BIN_EDGES,
    Histograms,
    build_histograms,
    measure_coverage,
    shortfalls,
    verify_coverage,
)
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import GateError, ModelFileError
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT
from edgecolor_runtime.models.info import CalibrationCoverage
from edgecolor_runtime.models.model_file import read

ROOT = Path(__file__).parents[3]


def predict(gray: U8) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Stand in for a network: the chroma is proportional to the brightness."""
    small = gray[:, ::4, ::4].astype(np.float32) / 255
    return np.stack([small * np.float32(0.4), small * np.float32(0.3)], axis=-1)


def histograms_of(gray: U8) -> Histograms:
    return build_histograms(gray, predict(gray))


@pytest.fixture(scope="module")
def photographs() -> U8:
    return read_calibration(ROOT / "calibration").gray


def test_shares_of_pixels_pictures_and_predictions() -> None:
    gray = np.zeros((4, 224, 224), np.uint8)
    gray[0] = 255
    gray[1, :, ::2] = 255
    shares = histograms_of(gray)
    assert {name: len(bins) + 1 for name, bins in shares.items()} == {n: len(e) for n, e in BIN_EDGES.items()}
    assert shares["luminance"][0] == 0.625  # L* 0: two and a half pictures
    assert shares["luminance"][-1] == 0.375
    assert shares["contrast"][0] == 0.75  # three are flat
    assert shares["contrast"][-1] == 0.25  # standard deviation 50: L* is 0 and 100 alternately
    assert (
        shares["chroma"][0] == 0.5
    )  # the sampled columns of the striped picture are white, and bright is colorful
    assert shares["chroma"][10] == 0.5  # |0.4, 0.3| x 100 = 50


def test_the_calibration_set_and_half_of_it_cover_the_training_data(photographs: U8) -> None:
    whole = histograms_of(photographs)
    assert measure_coverage(whole, whole) == CalibrationCoverage(1.0, 1.0, 1.0)
    half = measure_coverage(histograms_of(photographs[::2]), histograms_of(photographs[1::2]))
    assert half.mean > 0.95
    assert shortfalls(half) == ""


def test_one_stray_pixel_reaches_no_bin(photographs: U8) -> None:
    dark = np.zeros((20, 224, 224), np.uint8)
    dark[:, 0, 0] = 255
    assert measure_coverage(histograms_of(dark), histograms_of(photographs)).luminance < 0.1


@pytest.mark.parametrize("level", [0, 128, 255])
def test_pictures_without_content_are_refused(photographs: U8, level: int) -> None:
    flat = np.full((20, 224, 224), level, np.uint8)
    with pytest.raises(GateError, match=r"luminance \d%, contrast 0%"):
        verify_coverage(measure_coverage(histograms_of(flat), histograms_of(photographs)))


def test_the_set_of_a_night_camera_gets_a_note(photographs: U8) -> None:
    night = (photographs[:40].astype(np.float32) ** 2 / 255 * 0.5).astype(np.uint8)
    coverage = measure_coverage(histograms_of(night), histograms_of(photographs))
    verify_coverage(coverage)
    assert "luminance" in shortfalls(coverage)


@pytest.mark.parametrize(
    "broken", [None, {}, {"luminance": [1.0]}, {"luminance": [0.5] * 20}, {"luminance": "x"}]
)
def test_broken_histograms_in_a_sidecar(photographs: U8, broken: object) -> None:
    with pytest.raises(ModelFileError, match="coverage has no luminance of 20 shares"):
        measure_coverage(histograms_of(photographs[:20]), broken)


@pytest.fixture
def network(tmp_path: Path, photographs: U8) -> Path:
    """A folder with a small network and the sidecar that `edgecolor train` writes."""
    keras.utils.set_random_seed(2)
    entry = layers.Input((224, 224, 1))
    x = layers.Conv2D(8, 3, 4, padding="same", activation="relu6")(entry)
    x = layers.Conv2D(2, 3, padding="same")(x)
    model = keras.Model(entry, layers.Activation("tanh")(x))
    model.save(tmp_path / "small.keras")
    predicted = model.predict(NETWORK_INPUT[photographs[::4]][..., None], verbose=0)
    facts = {"coverage": build_histograms(photographs[::4], predicted)}
    (tmp_path / "small.json").write_text(json.dumps(facts), encoding="utf-8")
    (tmp_path / "pictures").mkdir()
    return tmp_path


def export(folder: Path, *words: str) -> int:
    options = ["--calibration", str(folder / "pictures"), "-o", str(folder / "out.tflite")]
    return main(["export", str(folder / "small.keras"), *options, *words])


def test_twenty_black_pictures_make_no_model(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(20):
        Image.new("L", (64, 64)).save(network / "pictures" / f"{i}.png")
    assert export(network) == 3
    captured = capsys.readouterr().err
    assert "reaches little of what the network was trained on: luminance" in captured
    assert "contrast 0%" in captured
    assert not (network / "out.tflite").exists()


@pytest.mark.slow
def test_floats_need_no_calibration(network: Path) -> None:
    for i in range(20):
        Image.new("L", (64, 64)).save(network / "pictures" / f"{i}.png")
    assert export(network, "--float16") == 0
    calibration = read(network / "out.tflite").info.calibration
    assert calibration is not None and calibration.coverage is None


def test_coverage_and_stability_are_in_the_report_and_the_file(
    network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for picture in sorted((ROOT / "calibration").glob("*.jpg"))[:20]:
        shutil.copy(picture, network / "pictures")
    assert export(network, "--json") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert min(report["coverage"].values()) > 0.7
    assert 0 < report["halves_ab_difference"] < 0.75
    assert "note:" not in captured.err
    assert "coverage" not in captured.err
    calibration = read(network / "out.tflite").info.calibration
    assert calibration is not None and calibration.coverage is not None
    assert asdict(calibration.coverage) == report["coverage"]
    assert calibration.halves_ab_difference == report["halves_ab_difference"]


@pytest.mark.slow
def test_twenty_frames_of_one_scene_get_a_note(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open(sorted((ROOT / "calibration").glob("*.jpg"))[3]) as scene:
        for i in range(20):
            scene.convert("L").rotate(i / 10).save(network / "pictures" / f"{i}.png")
    export(network)
    assert "note: the calibration set reaches only a part of the training data: " in capsys.readouterr().err
