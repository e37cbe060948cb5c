"""Slimming keeps the channels that affect the output, also where several layers share them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from edgecolor.compression.slimming import channel_groups, slim
from edgecolor.network.fusion import build_network, widths
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import UsageError


@pytest.fixture(scope="module")
def lightness() -> F32:
    return np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def wide() -> keras.Model:
    """Random weights, and batch normalization as after some training. Tests must not change the network."""
    keras.utils.set_random_seed(3)
    network = build_network(0.25, size=None)
    random = np.random.default_rng(2)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    random.uniform(0.5, 2, gamma.shape),
                    random.uniform(0.1, 1, beta.shape),
                    random.uniform(-0.2, 0.2, mean.shape),
                    random.uniform(0.5, 2, variance.shape),
                ]
            )
    return network


def run(network: keras.Model, lightness: F32) -> F32:
    weights = network.get_weights()
    alpha, width = widths(network)
    twin = build_network(alpha, width=width, size=None)
    twin.set_weights(weights)
    return np.asarray(twin(lightness, training=False))


def test_at_full_width_nothing_changes(wide: keras.Model, lightness: F32) -> None:
    same = slim(wide, 0.25, widths(wide)[1], lightness)
    np.testing.assert_array_equal(run(same, lightness), run(wide, lightness))
    assert same.input_shape == (None, 224, 224, 1)


def test_channels_without_effect_are_removed_first(wide: keras.Model, lightness: F32) -> None:
    """Half the channels of every group have no effect on their readers: exactly these are removed."""
    network = build_network(0.25, size=None)
    network.set_weights(wide.get_weights())
    groups = channel_groups(network)
    narrow = build_network(0.125, width=16)
    random = np.random.default_rng(5)
    dead: dict[int, np.ndarray] = {}
    for layer in network.layers:
        if type(layer) is not keras.layers.Conv2D or groups[layer.name][0] == 0:
            continue
        group = groups[layer.name][0]
        if group not in dead:
            count = layer.kernel.shape[2]
            maker = next(n for n, (_, out) in groups.items() if out == group)
            kept = narrow.get_layer(maker).output.shape[-1]
            dead[group] = random.permutation(count)[: count - kept]
        weights = layer.get_weights()
        weights[0][:, :, dead[group]] = 0
        layer.set_weights(weights)
    assert sum(map(len, dead.values())) > 1000
    slimmed = slim(network, 0.125, 16, lightness)
    assert widths(slimmed) == (0.125, 16)
    expected = run(network, lightness)
    assert np.ptp(expected) > 1e-4
    np.testing.assert_allclose(run(slimmed, lightness), expected, atol=1e-5)


def test_channels_that_meet_in_a_sum_form_a_group(wide: keras.Model) -> None:
    groups = channel_groups(wide)
    assert groups["fusion_32"][1] == groups["fusion_global"][1] == groups["fusion_16"][1]
    assert groups["conv_pw_3"][1] == groups["conv_dw_4"][1] == groups["decoder_4"][0]
    assert groups["conv_pw_3"][1] != groups["conv_pw_4"][1]
    assert groups["encoder_2"][1] == groups["decoder_encoder_4"][0]


@pytest.mark.parametrize(("alpha", "width"), [(0.5, 32), (0.2, 32), (0.25, 40), (0.25, 20), (0.0, 32)])
def test_impossible_widths(wide: keras.Model, lightness: F32, alpha: float, width: int) -> None:
    with pytest.raises(UsageError, match=r"expected a multiple of 1/32 up to 0\.25"):
        slim(wide, alpha, width, lightness)
