"""The branch's weights from a quantized MobileNet: the same answers, and batch norms fit to train on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from edgecolor.network.fusion import build_network
from edgecolor.network.pretrained import freeze_trunk, load_quantized
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import DataError

SIZE = 64
TAP = "conv_pw_11_relu"


def pictures(count: int) -> F32:
    """Smooth random gray pictures on the network's scale."""
    coarse = np.random.default_rng(count).uniform(-1, 1, (count, 8, 8, 1))
    fine = np.asarray(tf.image.resize(coarse, (SIZE, SIZE), method="bicubic"))
    return np.asarray(np.clip(fine, -1, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def donor() -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.applications.MobileNet((SIZE, SIZE, 3), alpha=0.25, include_top=False, weights=None)
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            layer.set_weights(
                [
                    rng.uniform(0.8, 2.0, channels).astype(np.float32),
                    rng.normal(0.5, 0.3, channels).astype(np.float32),
                    rng.normal(0, 0.05, channels).astype(np.float32),
                    rng.uniform(0.2, 0.6, channels).astype(np.float32),
                ]
            )
    return model


@pytest.fixture(scope="module")
def quantized(donor: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def representative() -> Iterator[list[F32]]:
        for picture in pictures(40):
            yield [np.repeat(picture[None], 3, axis=-1)]

    spec = tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32)
    function = tf.function(lambda x: donor(x, training=False)).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    path = tmp_path_factory.mktemp("donor") / "mobilenet.tflite"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the converter's own, about statistics that it takes from the pictures
        path.write_bytes(converter.convert())
    return path


def test_the_branch_answers_as_the_file_was_made_to(donor: keras.Model, quantized: Path) -> None:
    network = build_network(0.25, size=None)
    load_quantized(network, quantized, pictures(32))
    gray = pictures(7)
    expected = keras.Model(donor.input, donor.get_layer(TAP).output)(np.repeat(gray, 3, axis=-1))
    output = keras.Model(network.input, network.get_layer(TAP).output)(gray)
    assert np.corrcoef(np.ravel(expected), np.ravel(output))[0, 1] > 0.995
    np.testing.assert_allclose(np.mean(output), np.mean(expected), rtol=0.02)


def test_training_mode_computes_the_same_over_the_same_pictures(quantized: Path) -> None:
    network = build_network(0.25, size=None)
    seen = pictures(32)
    load_quantized(network, quantized, seen)
    branch = keras.Model(network.input, network.get_layer("conv_pw_3_relu").output)
    still, training = (np.asarray(branch(seen, training=t)) for t in (False, True))
    np.testing.assert_allclose(training, still, atol=2e-3)


def test_another_width_is_refused(quantized: Path) -> None:
    with pytest.raises(DataError, match=r"conv1 is .*--alpha"):
        load_quantized(build_network(0.5, size=None), quantized, pictures(2))


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"x\.tflite"):
        load_quantized(build_network(0.25, size=None), tmp_path / "x.tflite", pictures(2))


def test_a_frozen_branch_does_not_move(quantized: Path) -> None:
    network = build_network(0.25, size=None)
    load_quantized(network, quantized, pictures(8))
    freeze_trunk(network)
    before = {w.path: np.array(w) for w in network.weights if w.path.startswith("conv")}
    network.compile("sgd", "mse")
    network.fit(pictures(4), np.ones((4, SIZE // 4, SIZE // 4, 2), np.float32), verbose=0)
    assert len(before) == 27 * 5
    for weight in network.weights:
        if weight.path in before:
            np.testing.assert_array_equal(np.array(weight), before[weight.path])
