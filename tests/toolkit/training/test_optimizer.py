"""The optimizer: two rates, a warm-up and a way down."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from edgecolor.network.fusion import build_network
from edgecolor.network.pretrained import in_trunk
from edgecolor.training.optimizer import make_optimizer
from edgecolor.training.recipe import Recipe
from edgecolor_runtime.errors import UsageError


def moved(trunk_rate: float) -> tuple[float, float]:
    """Mean step of the MobileNet's weights and of the others', after one step on gradients of 1."""
    keras.utils.set_random_seed(1)
    network = build_network(0.25, size=32)
    recipe = Recipe(trunk_rate=trunk_rate, weight_decay=0.0, warmup_steps=0, epochs=4, full_size_epochs=0)
    optimizer = make_optimizer(recipe, steps=10)
    variables = network.trainable_variables
    before = [np.array(v) for v in variables]
    optimizer.apply([keras.ops.ones(v.shape) for v in variables], variables)
    steps = [float(np.abs(np.array(v) - b).mean()) for v, b in zip(variables, before, strict=True)]
    trunk = [in_trunk(v.path) for v in variables]
    assert 0 < sum(trunk) < len(trunk)
    return (
        float(np.mean([s for s, t in zip(steps, trunk, strict=True) if t])),
        float(np.mean([s for s, t in zip(steps, trunk, strict=True) if not t])),
    )


@pytest.mark.parametrize("trunk_rate", [0.0, 0.1, 1.0])
def test_the_mobilenet_has_a_rate_of_its_own(trunk_rate: float) -> None:
    trunk, others = moved(trunk_rate)
    assert others > 0
    assert trunk == pytest.approx(trunk_rate * others, rel=1e-3)


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(learning_rate=1e-2, warmup_steps=5, epochs=10, full_size_epochs=0)
    schedule = make_optimizer(recipe, steps=10)._learning_rate
    rates = [float(schedule(step)) for step in (0, 5, 50, 100)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[1] == pytest.approx(1e-2)
    assert rates[1] > rates[2] > rates[3]
    assert rates[3] < 1e-4


def test_impossible_rate() -> None:
    with pytest.raises(UsageError, match="trunk-rate"):
        Recipe(trunk_rate=1.5)
