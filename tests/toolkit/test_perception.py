"""What the eye sees: nothing where the colour is right, and more the more it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.cli import main
from edgecolor.network import build_network, with_class_head
from edgecolor.perception import EYE_ALPHA, open_eye, perceptual_loss, with_eye
from edgecolor_runtime.color import lab_to_rgb
from edgecolor_runtime.errors import DataError

RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def eye_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(2)
    donor = keras.applications.MobileNet((224, 224, 3), alpha=EYE_ALPHA, include_top=False, weights=None)
    path: Path = tmp_path_factory.mktemp("eye") / "eye.weights.h5"
    donor.save_weights(path)
    return path


def test_wrong_colours_are_seen_and_right_ones_are_not(eye_file: Path) -> None:
    lightness = keras.Input((64, 64, 1))
    ab = keras.layers.Conv2D(2, 3, 4, padding="same", kernel_initializer="zeros", name="ab")(lightness)
    model = keras.Model(lightness, [ab])
    seeing = with_eye(model, open_eye(str(eye_file)))
    gray = RNG.uniform(-1, 1, (3, 64, 64, 1)).astype(np.float32)

    def seen(truth: np.ndarray) -> np.ndarray:
        return np.asarray(seeing([gray, np.broadcast_to(truth, (3, 16, 16, 2)).astype(np.float32)])[-1])

    nothing, little, much = (seen(np.array([a, 0.0])) for a in (0.0, 0.1, 0.5))
    assert nothing.shape == (3,)
    np.testing.assert_allclose(nothing, 0.01, atol=1e-5)  # the square root of LEAST
    assert (little > nothing).all()
    assert (much > little).all()


def test_gradients_are_numbers_at_black_at_white_and_out_of_gamut(eye_file: Path) -> None:
    import tensorflow as tf

    model = with_eye(with_class_head(build_network(0.25, size=64)), open_eye(str(eye_file)))
    gray = np.stack([np.full((64, 64, 1), v, np.float32) for v in (-1, -0.99, 0, 1)])
    truth = RNG.uniform(-1, 1, (4, 16, 16, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(perceptual_loss(2.0)(None, model([gray, truth], training=True)[-1]))
    gradients = tape.gradient(loss, model.get_layer("ab_conv").trainable_variables)
    assert all(np.isfinite(g).all() for g in gradients)
    assert any(np.abs(g).max() > 0 for g in gradients)


def test_tensors_become_rgb_as_arrays_do() -> None:
    lab = RNG.uniform([0, -90, -90], [100, 90, 90], (500, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(lab_to_rgb(lab, keras.ops)), lab_to_rgb(lab), atol=2e-3)


def test_a_run_with_an_eye(eye_file: Path, prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--trunk", "none", "--size", "32", "--full-size-epochs", "0", "--batch", "4", "--epochs", "1"]
    assert main(["train", str(prepared), "-o", str(run), "--quiet", *words, "--eye", str(eye_file)]) == 0
    facts = json.loads((run / "model.json").read_text())
    assert facts["training"]["recipe"]["eye"] == "eye.weights.h5"
    assert keras.saving.load_model(run / "model.keras").input_shape == (None, 224, 224, 1)


def test_no_eye(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_eye(str(tmp_path / "none.h5"))
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(DataError, match="no weights of Keras's MobileNet"):
        open_eye(str(tmp_path / "text.h5"))
