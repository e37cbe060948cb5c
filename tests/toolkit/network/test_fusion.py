"""The fusion network: its shapes, its budget, its ImageNet branch, and what `load_network` lets in."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.network.float_network import BATCH_SIZE, FloatNetwork
from edgecolor.network.fusion import (
    BINS,
    CLASS_STRIDE,
    build_network,
    decoder_width,
    resized,
    with_class_head,
)
from edgecolor.network.keras_file import load_network
from edgecolor.network.pretrained import load_imagenet
from edgecolor_runtime.errors import DataError, ModelFileError, UsageError


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_network(0.25)


def test_signature(network: keras.Model) -> None:
    assert network.input_shape == (None, 224, 224, 1)
    assert network.output_shape == (None, 56, 56, 2)
    gray = np.random.default_rng(1).uniform(-1, 1, (1, 224, 224, 1)).astype(np.float32)
    ab = np.asarray(network(gray))
    assert np.isfinite(ab).all()
    assert np.abs(ab).max() < 0.2  # training starts near gray


def test_any_size_and_the_training_head() -> None:
    model = with_class_head(build_network(0.25, size=None))
    ab, logits = model(np.zeros((2, 96, 64, 1), np.float32))
    assert tuple(ab.shape) == (2, 24, 16, 2)
    assert tuple(logits.shape) == (2, 24 // CLASS_STRIDE, 16 // CLASS_STRIDE, BINS)


def test_width_multiplier_scales_the_whole_network() -> None:
    small, medium = (build_network(alpha).count_params() for alpha in (0.25, 0.5))
    assert small < 0.4e6
    assert medium < 1.3e6
    assert decoder_width(0.25) < decoder_width(0.5) < decoder_width(1.0)


def test_a_network_for_any_size_is_the_same_network(network: keras.Model) -> None:
    gray = np.random.default_rng(1).uniform(-1, 1, (1, 224, 224, 1)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(resized(network, None)(gray)), np.asarray(network(gray)), atol=1e-6)
    lightness = keras.Input((224, 224, 1))
    ab = keras.layers.Conv2D(2, 3, 4, padding="same")(lightness)
    with pytest.raises(UsageError, match="not a fusion network"):
        resized(keras.Model(lightness, ab), None)


@pytest.mark.parametrize(("alpha", "size"), [(0, 224), (3, 224), (0.25, 200)])
def test_impossible_network(alpha: float, size: int) -> None:
    with pytest.raises(UsageError):
        build_network(alpha, size=size)


def test_imagenet_branch_sees_gray_as_three_equal_channels(tmp_path: Path, network: keras.Model) -> None:
    donor = keras.applications.MobileNet((224, 224, 3), alpha=0.25, include_top=False, weights=None)
    donor.save_weights(tmp_path / "donor.weights.h5")
    load_imagenet(network, 0.25, tmp_path / "donor.weights.h5")
    gray = np.random.default_rng(2).uniform(-1, 1, (1, 224, 224, 1)).astype(np.float32)
    tap = "conv_pw_11_relu"
    expected = keras.Model(donor.input, donor.get_layer(tap).output)(np.repeat(gray, 3, axis=-1))
    output = keras.Model(network.input, network.get_layer(tap).output)(gray)
    np.testing.assert_allclose(np.asarray(output), np.asarray(expected), atol=1e-4)


def test_wrong_trunk_weights_are_one_line(tmp_path: Path, network: keras.Model) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_imagenet(network, 0.25, tmp_path / "none.h5")
    (tmp_path / "bad.h5").write_bytes(b"not hdf5")
    with pytest.raises(DataError, match="--trunk"):
        load_imagenet(network, 0.25, tmp_path / "bad.h5")


def test_weights_that_cannot_be_downloaded_are_one_line(
    network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_file(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://host/file: None -- no network")  # as Keras does

    monkeypatch.setattr("keras.src.applications.mobilenet.file_utils.get_file", get_file)
    with pytest.raises(DataError, match=r"URL fetch failure.*--trunk none"):
        load_imagenet(network, 0.25)


def test_load_network_takes_its_own(tmp_path: Path, network: keras.Model) -> None:
    network.save(tmp_path / "n.keras")
    gray = np.zeros((1, 224, 224, 1), np.float32)
    loaded = load_network(tmp_path / "n.keras")
    np.testing.assert_allclose(np.asarray(loaded(gray)), np.asarray(network(gray)), atol=1e-6)


def test_load_network_names_found_and_expected_shapes(tmp_path: Path) -> None:
    inputs = keras.Input((128, 128, 3))
    keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs)).save(tmp_path / "other.keras")
    with pytest.raises(ModelFileError, match=r"\(128, 128, 3\).*expected.*\(224, 224, 1\)"):
        load_network(tmp_path / "other.keras")


def test_load_network_runs_no_code_of_the_file(tmp_path: Path) -> None:
    inputs = keras.Input((224, 224, 1))
    outputs = keras.layers.Lambda(lambda x: x[:, ::4, ::4] * [1.0, 1.0], output_shape=(56, 56, 2))(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "lambda.keras")
    with pytest.raises(ModelFileError, match="Keras cannot load"):
        load_network(tmp_path / "lambda.keras")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 broken"])
def test_load_network_refuses_what_is_no_keras_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError):
        load_network(path)


def test_a_compiled_network_gives_the_same_outputs(network: keras.Model) -> None:
    """Batches of different sizes, the last of them not full."""
    gray = np.random.default_rng(2).integers(0, 256, (BATCH_SIZE + 3, 224, 224), np.uint8)
    compiled = FloatNetwork(network, is_compiled=True)
    np.testing.assert_allclose(compiled.outputs(gray), FloatNetwork(network).outputs(gray), atol=1e-5)
    assert compiled.outputs(gray[:1]).shape == (1, 56, 56, 2)
