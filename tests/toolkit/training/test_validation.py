"""Figures on val photographs: the gain that matches colorfulness, and centered colors."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.data.dataset import Split, load_pairs, open_dataset
from edgecolor.network.keras_file import load_network
from edgecolor.training.publish import published_network
from edgecolor.training.recipe import Recipe
from edgecolor.training.validation import centered, matching_gain, report_missing
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.models.signature import AB_SCALE

MODEL = Path(__file__).parents[3] / "models" / "s" / "s.keras"


def test_the_matching_gain_is_the_smallest_with_nearly_the_least_error() -> None:
    rng = np.random.default_rng(3)
    ours = rng.uniform(0.2, 3, 301).astype(np.float32)
    truth = (ours * rng.uniform(0.5, 2.5, 301)).astype(np.float32)
    gains = np.arange(0.25, 4, 0.01)
    errors = np.array([np.abs(g * ours - truth).sum() for g in gains])
    gain = matching_gain(ours, truth)
    assert gain < gains[errors.argmin()]
    below, at = (np.abs(g * ours - truth).sum() / errors.min() for g in (gain - 0.011, gain + 0.001))
    assert at <= 1.02 < below
    assert matching_gain(ours, 10 * ours) == pytest.approx(3.88, abs=0.01)  # 4 has the least error


def test_the_published_network_is_centered(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With enough val photographs the median error is zero afterwards, however large it was before."""
    data = open_dataset(prepared)
    network = load_network(MODEL)
    lines: list[str] = []
    report_missing(data, lines.append)
    assert lines == ["8 val photographs: the colors are not centered, which needs 200"]
    assert centered(network, data) is network
    monkeypatch.setattr("edgecolor.training.validation.MIN_CENTERING_PHOTOGRAPHS", 8)
    lightness, truth = load_pairs(data, data.rows[Split.VAL])

    def median_error(model: keras.Model) -> F32:
        errors = (truth - np.asarray(model(lightness, training=False))).reshape(-1, 2)
        return np.asarray(AB_SCALE * np.median(errors, axis=0))

    assert np.abs(median_error(published_network(network, Recipe(), data))).max() < 0.5
    network.get_layer("ab_conv").bias.assign_add([0.1, -0.05])
    before = median_error(network)
    assert np.abs(median_error(centered(network, data))).max() < 0.5
    np.testing.assert_array_equal(median_error(network), before)  # training continues with this network
