"""Progress of a training run: lines, TensorBoard, stops."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from edgecolor.training.recipe import Recipe
from edgecolor_runtime.errors import DataError

Say = Callable[[str], None]


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Says how fast an epoch goes and how long the run still takes."""

    # JAX may then begin a step before the loss of the last one is known: Keras calls from a thread.
    async_safe = True

    def __init__(self, recipe: Recipe, epoch: int, steps: int, say: Say, every: float) -> None:
        super().__init__()
        self._recipe, self._epoch, self._steps, self._say, self._every = recipe, epoch, steps, say, every
        self._begun = self._said = time.monotonic()
        self.figures: dict[str, float] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss, now, done = (logs or {})["loss"], time.monotonic(), batch + 1
        if not np.isfinite(loss):
            raise DataError(
                "The loss is no longer a number. Try a lower --learning-rate, or --precision float32."
            )
        if now - self._said < self._every:
            return
        self._said = now
        seconds = now - self._begun
        rate = done * self._recipe.batch / seconds
        size = self._recipe.size_of
        here = (self._steps - done) * size(self._epoch) ** 2
        later = self._steps * sum(size(e) ** 2 for e in range(self._epoch + 1, self._recipe.epochs))
        minutes = seconds / (done * size(self._epoch) ** 2) * (here + later) / 60
        self._say(
            f"epoch {self._epoch + 1}/{self._recipe.epochs}  batch {done}/{self._steps}  "
            f"loss {loss:.4f}  {rate:.0f} images/s  about {minutes:.0f} min left"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seconds = time.monotonic() - self._begun
        rate = self._steps * self._recipe.batch / seconds
        self.figures = dict(logs or {}) | {"seconds": round(seconds, 1), "images_per_second": round(rate, 1)}


def _tensorboard(run: Path) -> list[keras.callbacks.Callback]:
    # Keras writes TensorBoard's files through TensorFlow, also on another backend.
    if any(importlib.util.find_spec(name) is None for name in ("tensorflow", "tensorboard")):
        return []
    return [keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False)]


def _line(epoch: int, recipe: Recipe, found: dict[str, float]) -> str:
    shown = ("loss", "val_gain_db", "val_color_share", "val_colorfulness_error", "images_per_second")
    text = "  ".join(f"{k} {found[k]:.3f}" for k in shown if k in found)
    return f"epoch {epoch + 1}/{recipe.epochs} done  {text}"
