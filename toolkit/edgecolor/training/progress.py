"""Progress of a run: speed, remaining time, and a stop when the loss is not a number."""

from __future__ import annotations

import time

import numpy as np

from edgecolor.support.progress import PrintLine
from edgecolor.training.recipe import Schedule
from edgecolor_runtime.errors import DataError

LINE_SECONDS = 15.0  # between two lines of progress within an epoch


class EpochProgress:
    """Measures the speed of one epoch and reports it."""

    def __init__(
        self, schedule: Schedule, epoch: int, *, steps: int, batch: int, on_progress: PrintLine
    ) -> None:
        """Begin an epoch.

        Args:
            schedule: of the run.
            epoch: counted from 0.
            steps: batches in an epoch.
            batch: photographs in a batch.
            on_progress: takes a line of progress.
        """
        self._schedule, self._epoch = schedule, epoch
        self._steps, self._batch, self._on_progress = steps, batch, on_progress
        self._begun = self._reported = time.monotonic()

    def after_batch(self, done: int, loss: float) -> None:
        """Check the loss after `done` batches of the epoch. Report every `LINE_SECONDS`.

        Raises:
            DataError: the loss is not a finite number.
        """
        if not np.isfinite(loss):
            raise DataError("Training diverged: the loss is not a finite number. Lower --learning-rate.")
        now = time.monotonic()
        if now - self._reported < LINE_SECONDS:
            return
        self._reported = now
        seconds = now - self._begun
        self._on_progress(
            f"epoch {self._epoch + 1}/{self._schedule.epochs}  batch {done}/{self._steps}  loss {loss:.4f}  "
            f"{done * self._batch / seconds:.0f} images/s  "
            f"about {self._seconds_left(done, seconds) / 60:.0f} min left"
        )

    def _seconds_left(self, done: int, seconds: float) -> float:
        """Return the time until the end of the run; a step takes time in proportion to its pixels."""
        pixels = [self._schedule.size_at(e) ** 2 for e in range(self._epoch, self._schedule.epochs)]
        left = (self._steps - done) * pixels[0] + self._steps * sum(pixels[1:])
        return seconds / (done * pixels[0]) * left

    def speed(self) -> dict[str, float]:
        """Return what the epoch took: seconds, and images per second."""
        seconds = time.monotonic() - self._begun
        rate = self._steps * self._batch / seconds
        return {"seconds": round(seconds, 1), "images_per_second": round(rate, 1)}


def epoch_line(epoch: int, epochs: int, figures: dict[str, float]) -> str:
    """Return the line of progress at the end of an epoch, counted from 0."""
    shown = ("loss", "val_gain_db", "val_color_share", "val_colorfulness_error", "images_per_second")
    text = "  ".join(f"{name} {figures[name]:.3f}" for name in shown if name in figures)
    return f"epoch {epoch + 1}/{epochs} done  {text}"
