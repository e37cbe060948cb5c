"""The training loss, term by term, against plain numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecolor.network.fusion import BINS, BINS_PER_AXIS, CLASS_STRIDE
from edgecolor.training.loss import (
    BIN_SPACING,
    bin_weights,
    chroma_loss,
    class_loss,
    colorfulness,
    soft_bins,
)
from edgecolor.training.recipe import LossWeights
from edgecolor_runtime.models.signature import AB_SCALE

UNIFORM = np.full(BINS, 1 / BINS, np.float32)
RNG = np.random.default_rng(3)
TRUTH = RNG.uniform(-0.6, 0.6, (3, 8, 8, 2)).astype(np.float32)


def only(**weights: float) -> LossWeights:
    none = {"huber": 0.0, "log_error": 0.0, "colorfulness": 0.0, "classification": 0.0, "rebalance": 0.0}
    return LossWeights(**(none | weights))


def mean_of(loss: Callable[[Any, Any], Any], truth: Any, guess: Any) -> float:
    losses = np.asarray(loss(truth, guess))
    assert losses.shape == truth.shape[:1], "one figure per picture"
    return float(losses.mean())


def test_soft_bins_are_a_distribution_whose_mean_is_the_color() -> None:
    bins = soft_bins(TRUTH, np)
    np.testing.assert_allclose(bins.sum(-1), 1, atol=1e-5)
    assert (bins > 0).sum(-1).max() <= 4
    centers = (np.arange(BINS_PER_AXIS) - BINS_PER_AXIS // 2) * BIN_SPACING / AB_SCALE
    grid = bins.reshape(*TRUTH.shape[:-1], BINS_PER_AXIS, BINS_PER_AXIS)
    np.testing.assert_allclose(grid.sum(-1) @ centers, TRUTH[..., 0], atol=1e-5)
    np.testing.assert_allclose(grid.sum(-2) @ centers, TRUTH[..., 1], atol=1e-5)
    np.testing.assert_allclose(np.asarray(soft_bins(TRUTH)), bins, atol=1e-6)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_bin_weights_have_mean_one_and_lift_the_rare(strength: float) -> None:
    prior = np.zeros(BINS, np.float32)
    prior[:3] = 0.9, 0.09, 0.01
    weights = bin_weights(prior, strength)
    assert (prior * weights).sum() == pytest.approx(1, abs=1e-5)
    if strength:
        assert weights[0] < weights[1] < weights[2]
    else:
        assert weights[0] == weights[2]
    if strength == 1:
        assert weights[2] / weights[0] == pytest.approx(90, rel=1e-4)


def test_huber_is_that_of_numpy() -> None:
    guess = TRUTH + 0.1
    error = np.hypot(0.1, 0.1) * AB_SCALE / 10
    loss = mean_of(chroma_loss(only(huber=1.0), UNIFORM), TRUTH, guess)
    assert loss == pytest.approx(np.sqrt(1 + error**2) - 1, rel=1e-4)


def test_log_error_halves_alike_for_pale_and_vivid() -> None:
    loss = chroma_loss(only(log_error=1.0), UNIFORM)
    for size in (0.2, 0.6):
        gained = mean_of(loss, TRUTH, TRUTH + size) - mean_of(loss, TRUTH, TRUTH + size / 2)
        assert gained == pytest.approx(np.log(2), abs=0.02)


def test_colorfulness_term_is_zero_only_when_matched() -> None:
    loss = chroma_loss(only(colorfulness=1.0), UNIFORM)
    assert mean_of(loss, TRUTH, TRUTH[:, ::-1]) == pytest.approx(0, abs=1e-5)
    assert mean_of(loss, TRUTH, TRUTH * 1.5) == pytest.approx(mean_of(loss, TRUTH, TRUTH * 0.5), rel=0.01)
    scaled = TRUTH * AB_SCALE / 10
    spread = np.hypot(*scaled.std(axis=(1, 2)).T)
    mean = np.hypot(*scaled.mean(axis=(1, 2)).T)
    np.testing.assert_allclose(np.asarray(colorfulness(TRUTH)), spread + 0.3 * mean, rtol=0.02)


def test_class_loss_is_lowest_at_the_soft_labels() -> None:
    loss = class_loss(only(classification=1.0), UNIFORM)
    labels = soft_bins(TRUTH[:, ::CLASS_STRIDE, ::CLASS_STRIDE], np)
    at_truth = mean_of(loss, TRUTH, np.log(labels + 1e-6))
    entropy = -(labels * np.log(labels + 1e-9)).sum(-1).mean()
    assert at_truth == pytest.approx(entropy, abs=0.01)
    assert at_truth < mean_of(loss, TRUTH, np.zeros_like(labels))
