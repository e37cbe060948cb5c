"""Recolor, then classify: with a classifier whose answers are known, as TFLite, float and int8."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from edgecolor.cli import main
from edgecolor.evaluation.color_plane import tinted
from edgecolor.evaluation.evaluator import crop_square
from edgecolor.evaluation.recognition import (
    Answer,
    Classifier,
    RecognizedPhotograph,
    recognize_photograph,
    summarize_recognition,
)
from edgecolor_runtime.colors.spaces import F32, lightness_to_gray, rgb_to_lab

TESTS = Path(__file__).parents[2]
PHOTOGRAPHS = sorted((TESTS.parent / "calibration").glob("*.jpg"))[:6]
TINY = TESTS / "edge_runtime" / "data" / "tiny-int8.tflite"
GRAY = (128, 128, 128)


@pytest.fixture(scope="module", params=["float32", "uint8"])
def reddish(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says how far the mean color leans: red, green, blue, or none of them."""
    inputs = keras.Input((224, 224, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1, name="lean")(keras.layers.GlobalAveragePooling2D(keepdims=True)(inputs))
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Reshape((4,))(x)))
    away = np.array([[20, -10, -10, 0], [-10, 20, -10, 0], [-10, -10, 20, 0]], np.float32)
    model.get_layer("lean").set_weights([away[None, None], np.array([0, 0, 0, 0.5], np.float32)])
    spec = tf.TensorSpec((1, 224, 224, 3), tf.float32)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if request.param == "uint8":

        def representative() -> Iterator[list[F32]]:
            for shade in ((-1, -1, -1), (1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
                yield [np.full((1, 224, 224, 3), shade, np.float32)]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = tmp_path_factory.mktemp("classifier") / "reddish.tflite"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the converter's own, about statistics that it takes from the pictures
        path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize(
    ("color", "first"), [((250, 20, 20), 0), ((20, 250, 20), 1), ((20, 20, 250), 2), (GRAY, 3)]
)
def test_pixels_arrive_on_the_scale_that_the_classifier_takes(
    reddish: Path, color: tuple[int, int, int], first: int
) -> None:
    probabilities = Classifier.open(reddish)(np.full((224, 224, 3), color, np.uint8))
    assert probabilities.shape == (4,)
    assert probabilities.argmax() == first
    assert probabilities.sum() == pytest.approx(1, abs=0.03)


def test_the_true_color_recovers_what_gray_loses(reddish: Path) -> None:
    classifier = Classifier.open(reddish)
    photographs = []
    for path in PHOTOGRAPHS:
        rgb = crop_square(Image.open(path))
        lab = rgb_to_lab(rgb)
        gray, mean = lightness_to_gray(lab[..., 0]), lab[..., 1:].mean((0, 1))
        finished = tinted(gray, mean)
        photographs.append(recognize_photograph(classifier, rgb, gray=gray, finished=finished, tint=mean))
    assert all(one.original.agrees for one in photographs)
    result = summarize_recognition("reddish", photographs)
    assert result.probability is not None
    assert result.probability.true_ab.mean > 0.7
    assert result.probability.ours == result.probability.tint, "ours was the tint"


def test_shares_of_the_gap_and_their_errors() -> None:
    def one(gray: float, ours: float) -> RecognizedPhotograph:
        certain, nothing = Answer(True, 1.0), Answer(gray > 0.5, gray)
        return RecognizedPhotograph(certain, nothing, nothing, Answer(ours > 0.5, ours), certain)

    photographs = [one(0.0, 0.3), one(0.2, 0.2), one(0.4, 1.0), one(0.2, 0.4)]
    probability = summarize_recognition("c", photographs).probability
    assert probability is not None
    gained, gap = np.array([0.3, 0.0, 0.6, 0.2]), np.array([1.0, 0.8, 0.6, 0.8])
    share = gained.sum() / gap.sum()
    assert probability.ours.mean == pytest.approx(share)
    assert probability.ours.error == pytest.approx((gained - share * gap).std(ddof=1) / 2 / 0.8)
    assert (probability.tint.mean, probability.tint.error) == (0, 0)
    assert (probability.true_ab.mean, probability.true_ab.error) == (1, 0)
    assert summarize_recognition("c", [one(1.0, 1.0)] * 2).top1 is None, "gray loses nothing"


def test_the_command_reports_it(reddish: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in PHOTOGRAPHS:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    words = ["evaluate", str(TINY), str(tmp_path), "-q", "--classifier", str(reddish)]
    assert main(words) == 0
    out, _ = capsys.readouterr()
    assert "reddish.tflite: its first choice for the original is the truth" in out
    assert "true ab" in out
    assert main([*words, "--json"]) == 0
    recognition = json.loads(capsys.readouterr().out)["recognition"]
    assert recognition["classifier"] == "reddish.tflite"
    assert recognition["probability"]["true_ab"]["mean"] > 0.7
