"""AdamW with a separate learning rate for the MobileNet, whose pretrained weights should change slowly."""

from __future__ import annotations

from typing import Any

import keras

from edgecolor.network.pretrained import in_trunk
from edgecolor.training.devices import clip_norm
from edgecolor.training.recipe import Recipe

MAX_GRADIENT_NORM = 5.0  # global norm at which the gradient of a step is clipped


class TwoRateAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """Keras's AdamW in which the variables of the MobileNet take a share, `trunk_rate`, of each step.

    Scaling their gradients would have no effect, because Adam divides by the size of the gradients. Weight
    decay is the same for all variables; the batch normalization behind each convolution undoes it.
    """

    def __init__(self, *args: Any, trunk_rate: float, **keywords: Any) -> None:
        """Take `trunk_rate`, from 0 to 1, and the arguments of AdamW."""
        super().__init__(*args, **keywords)
        self.trunk_rate = trunk_rate
        self._shares: list[float] = []

    def build(self, variables: list[Any]) -> None:
        """Take the variables to train. They have their paths only now."""
        super().build(variables)
        self._shares = [self.trunk_rate if in_trunk(v.path) else 1.0 for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        share = self._shares[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * share)


def make_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a run, with `steps` batches in an epoch.

    The learning rate rises during the warm-up and then falls as a cosine to nearly 0.
    """
    total = steps * recipe.epochs
    warmup = min(recipe.warmup_steps, total // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 100,
        decay_steps=total - warmup,
        alpha=0.001,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )
    # At the end of each epoch, just before our checkpoints, Keras replaces the weights by their average.
    average = {"use_ema": True, "ema_momentum": recipe.ema} if recipe.ema else {}
    optimizer = TwoRateAdamW(
        rate,
        trunk_rate=recipe.trunk_rate,
        weight_decay=recipe.weight_decay,
        global_clipnorm=clip_norm(MAX_GRADIENT_NORM),
        **average,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
