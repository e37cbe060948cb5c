"""AdamW with a rate of its own for the MobileNet: what it knows already should change slowly."""

from __future__ import annotations

from typing import Any

import keras

from edgecolor.network.pretrained import in_trunk
from edgecolor.training.devices import clip_norm
from edgecolor.training.recipe import Recipe

LONGEST_GRADIENT = 5.0  # global norm at which a step's gradient is cut


class TwoRateAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """Keras's AdamW, in which the MobileNet's variables take `trunk_rate` of each step.

    Scaling their gradients instead would change nothing: Adam divides by their size. Weight decay stays the
    same for all; the batch norm behind each convolution undoes it.
    """

    def __init__(self, *args: Any, trunk_rate: float, **words: Any) -> None:
        """`trunk_rate` is 0 to 1; the rest is AdamW's."""
        super().__init__(*args, **words)
        self.trunk_rate = trunk_rate
        self._shares: list[float] = []

    def build(self, variables: list[Any]) -> None:
        """Takes the variables that are to be trained, which have their paths only here."""
        super().build(variables)
        self._shares = [self.trunk_rate if in_trunk(v.path) else 1.0 for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step."""
        share = self._shares[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * share)


def make_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a run: warm-up, then a cosine down to nothing; `steps` are those of an epoch."""
    total = steps * recipe.epochs
    warmup = min(recipe.warmup_steps, total // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 100,
        decay_steps=total - warmup,
        alpha=0.001,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )
    # Keras puts the average in the weights' place at the end of each epoch, where ours are kept.
    average = {"use_ema": True, "ema_momentum": recipe.ema} if recipe.ema else {}
    optimizer = TwoRateAdamW(
        rate,
        trunk_rate=recipe.trunk_rate,
        weight_decay=recipe.weight_decay,
        global_clipnorm=clip_norm(LONGEST_GRADIENT),
        **average,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
