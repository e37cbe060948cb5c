"""The recipe refuses impossible values before anything is built."""

from __future__ import annotations

import pytest

from edgecolor.training.recipe import Recipe
from edgecolor_runtime.errors import UsageError


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 100},
        {"epochs": 0},
        {"full_size_epochs": 99},
        {"precision": "int3"},
        {"seed": -1},
        {"learning_rate": 0},
        {"ema": 1.0},
    ],
)
def test_impossible_recipe(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_blending_needs_a_start() -> None:
    with pytest.raises(UsageError, match="--blend"):
        Recipe(blend=0.5)
