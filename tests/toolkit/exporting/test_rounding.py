"""Joint rounding of kernels: better than rounding to nearest, and on the grid of the converter."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from edgecolor.data.calibration import read_calibration
from edgecolor.exporting.conversion import convert
from edgecolor.exporting.rounding import STEPS, round_kernels, round_rows
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.preprocess import network_input
from edgecolor_runtime.models.info import Precision

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def gray() -> U8:
    return read_calibration(ROOT / "calibration").gray[::8]


def network() -> keras.Model:
    """Return a network with every kind of rounded layer, and batch norms that amplify like trained ones."""
    keras.utils.set_random_seed(4)
    x = entry = layers.Input((224, 224, 1))
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.DepthwiseConv2D(3, 2, padding="valid", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Add()([layers.Conv2D(16, 1, use_bias=False)(x), layers.Conv2D(16, 1, use_bias=False)(x)])
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Conv2D(2, 3, padding="same")(x)
    model = keras.Model(entry, layers.Activation("tanh")(x))
    random = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta + random.uniform(0, 1, beta.shape), mean, variance * 0.05])
    return model


def largest(layer: keras.Layer) -> F32:
    """Return the largest weight of each output channel, in a shape that divides the kernel."""
    others = tuple(i for i in range(4) if i != channel_of(layer))
    values: F32 = np.abs(layer.kernel.numpy()).max(axis=others, keepdims=True)
    return values


def nearest(layer: keras.Layer) -> F32:
    scale = largest(layer) / STEPS
    rounded: F32 = np.rint(layer.kernel.numpy() / scale) * scale
    return rounded


def channel_of(layer: keras.Layer) -> int:
    return 2 if isinstance(layer, layers.DepthwiseConv2D) else 3


def convolutions(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]


def run(model: keras.Model, gray: U8) -> F32:
    return np.asarray(model(network_input(gray), training=False))


def test_output_error_is_a_fraction_of_that_of_nearest_rounding(gray: U8) -> None:
    model = network()
    truth = run(model, gray[1::2])
    weights = model.get_weights()
    for layer in convolutions(model):
        layer.kernel.assign(nearest(layer))
    by_nearest = np.abs(run(model, gray[1::2]) - truth).mean()
    model.set_weights(weights)
    round_kernels(model, network_input(gray[::2]))  # other pictures than those it is judged on
    assert np.abs(run(model, gray[1::2]) - truth).mean() < 0.6 * by_nearest


def test_kernels_lie_on_the_converters_grid(gray: U8) -> None:
    model = network()
    before = [largest(layer) for layer in convolutions(model)]
    round_kernels(model, network_input(gray))
    for layer, kept in zip(convolutions(model), before, strict=True):
        np.testing.assert_allclose(layer.kernel.numpy(), nearest(layer), atol=1e-6)
        np.testing.assert_allclose(largest(layer), kept, rtol=1e-6)


@pytest.mark.usefixtures("in_process")
def test_the_file_holds_the_chosen_steps(gray: U8, tmp_path: Path) -> None:
    model = network()
    model.save(tmp_path / "network.keras")
    flatbuffer = convert(tmp_path / "network.keras", gray, Precision.INT8).model.flatbuffer
    round_kernels(model, network_input(gray))
    kernel = convolutions(model)[0].kernel.numpy()  # (3, 3, 1, 8)
    steps = np.rint(kernel * STEPS / np.abs(kernel).max(axis=(0, 1, 2))).transpose(3, 0, 1, 2)
    interpreter = Interpreter(model_content=flatbuffer)
    details = [d for d in interpreter.get_tensor_details() if tuple(d["shape"]) == (8, 3, 3, 1)]
    interpreter.allocate_tensors()
    (stored,) = (interpreter.get_tensor(d["index"]) for d in details)
    np.testing.assert_array_equal(stored, steps)


def test_a_layer_used_twice_is_left_alone(gray: U8) -> None:
    entry = layers.Input((224, 224, 1))
    twice = layers.Conv2D(1, 3, padding="same")
    model = keras.Model(entry, twice(twice(entry)))
    before = model.get_weights()
    round_kernels(model, network_input(gray[:2]))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_that_are_zero_or_on_the_grid_stay() -> None:
    rows = np.array([[0, 0, 0], [127, -3, 50]], np.float32)
    np.testing.assert_array_equal(round_rows(rows, np.eye(3)), rows)


def test_inputs_that_go_together_are_rounded_together() -> None:
    # Two inputs that are always equal: only the sum of their weights counts.
    covariance = np.full((3, 3), 1.0) * [[0, 0, 0], [0, 1, 1], [0, 1, 1]] + np.eye(3) * 1e-6
    rows = np.array([[127.0, 0.4, 0.4]], np.float32)
    assert round_rows(rows, covariance)[0, 1:].sum() == 1
    assert np.rint(rows)[0, 1:].sum() == 0
