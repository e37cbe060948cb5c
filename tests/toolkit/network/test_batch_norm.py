"""Batch norms fused or folded away: the same answers, and where it learns the same weights after a step."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from edgecolor.network.batch_norm import for_teaching, for_training
from edgecolor.network.fusion import build_network
from edgecolor_runtime.colors.spaces import F32


def moved(network: keras.Model, inputs: F32, targets: F32) -> list[F32]:
    network.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    for _ in range(3):
        network.train_on_batch(inputs, targets)
    return [np.array(w) for w in network.get_weights()]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="fused only there")
def test_three_steps_move_the_weights_as_keras_does() -> None:
    """On few layers: through many, the last bits of a sum decide which side of a ReLU a value is on."""
    rng = np.random.default_rng(2)
    keras.utils.set_random_seed(2)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    plain = keras.Model(inputs, keras.layers.Conv2D(2, 3)(x))
    twin = for_training(plain)
    pictures = rng.normal(1, 2, (16, 8, 8, 3)).astype(np.float32)
    targets = rng.normal(0, 1, (16, 4, 4, 2)).astype(np.float32)
    pairs = zip(moved(twin, pictures, targets), moved(plain, pictures, targets), strict=True)
    for weight, (a, b) in zip(plain.weights, pairs, strict=True):
        # The fused operation divides the variance that it remembers by n - 1, here 575.
        np.testing.assert_allclose(a, b, rtol=2e-3 if "variance" in weight.path else 1e-4, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="fused only there")
def test_the_whole_network_keeps_its_names_and_answers() -> None:
    plain = build_network(0.25, size=None)
    twin = for_training(plain)
    assert [w.path for w in twin.weights] == [w.path for w in plain.weights]
    norms = [layer for layer in plain.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert all(type(twin.get_layer(norm.name)) is not type(norm) for norm in norms)
    gray = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(twin(gray)), np.asarray(plain(gray)), atol=1e-6)


@pytest.mark.parametrize("blocks", [None, 16])
def test_a_teacher_answers_the_same_without_its_norms(blocks: int | None) -> None:
    rng = np.random.default_rng(4)
    network = build_network(0.25, size=None, blocks=blocks)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            weights = [rng.uniform(0.5, 2.0, w.shape).astype(np.float32) for w in layer.get_weights()]
            layer.set_weights(weights)
    teacher = for_teaching(network)
    assert not teacher.trainable_weights
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in teacher.layers)
    gray = rng.uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    wanted = np.asarray(network(gray, training=False))
    assert np.abs(wanted).max() > 1e-3
    np.testing.assert_allclose(np.asarray(teacher(gray, training=True)), wanted, atol=1e-5)


def test_bfloat16_trains() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = for_training(build_network(0.25, size=None))
    finally:
        keras.config.set_dtype_policy(before)
    gray, ab = np.zeros((2, 32, 32, 1), np.float32), np.ones((2, 8, 8, 2), np.float32)
    assert all(np.isfinite(w).all() for w in moved(network, gray, ab))
