"""The training loop of `train` and `prune`. A killed run loses only what came after its last checkpoint.

The loop owns the epochs, the picture sizes, the checkpoints, the progress and the stop on a loss that is not
a number. A `Trainee` is what differs: the Keras version, and what the run publishes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from edgecolor.data.dataset import Dataset
from edgecolor.support.progress import PrintLine
from edgecolor.training import validation
from edgecolor.training.batches import Batches
from edgecolor.training.progress import EpochProgress, epoch_line
from edgecolor.training.recipe import Schedule
from edgecolor.training.run_folder import RunState, secure_checkpoint, verify_present, write_state

AfterBatch = Callable[[int, float], None]  # takes the number of batches that are done, and the mean loss


class Trainee(ABC):
    """A network in training.

    Attributes:
        model: the compiled model that is fitted.
        batches: the training data.
    """

    def __init__(self, model: Any, batches: Batches) -> None:
        """Take a compiled Keras model and its training data."""
        self.model, self.batches = model, batches

    @abstractmethod
    def fit_epoch(self, epoch: int, after_batch: AfterBatch) -> dict[str, float]:
        """Train one epoch, counted from 0.

        Returns:
            The losses by name; "loss" is their sum.
        """

    @abstractmethod
    def save_checkpoint(self, folder: Path, stem: str) -> str:
        """Write weights and optimizer state into files `stem`.*.

        Returns:
            The name for `load_checkpoint`.
        """

    @abstractmethod
    def load_checkpoint(self, path: Path) -> None:
        """Restore weights and optimizer state."""

    @abstractmethod
    def snapshot(self) -> keras.Model:
        """Return the network as it would be published now."""

    @abstractmethod
    def publish(self, network: keras.Model, state: RunState) -> None:
        """Write a snapshot into the folder of the run. The last file says that the others are there."""

    @abstractmethod
    def is_published(self, state: RunState) -> bool:
        """Return whether `publish` is complete for this state."""


def run_epochs(
    trainee: Trainee,
    data: Dataset,
    folder: Path,
    schedule: Schedule,
    *,
    state: RunState,
    keep_every: int = 1,
    on_progress: PrintLine,
) -> RunState:
    """Train until all epochs of the schedule are done, and publish the network.

    Args:
        trainee: the network in training.
        data: its val rows give the figures of each checkpoint.
        folder: the folder of the run; it exists.
        schedule: epochs and picture sizes.
        state: how far the run got.
        keep_every: epochs between checkpoints. The last epoch always has one.
        on_progress: takes a line of progress.

    Returns:
        The state of the complete run.

    Raises:
        DataError: the loss is not a finite number.
    """
    if state.checkpoint:
        trainee.load_checkpoint(folder / state.checkpoint)
        on_progress(f"resumed after epoch {state.done} of {schedule.epochs}")
        if not trainee.is_published(state):  # the process was killed right after the checkpoint
            trainee.publish(trainee.snapshot(), state)
    for epoch in range(state.done, schedule.epochs):
        _choose_size(trainee, schedule, epoch)
        steps, batch = len(trainee.batches), trainee.batches.batch
        watch = EpochProgress(schedule, epoch, steps=steps, batch=batch, on_progress=on_progress)
        figures = trainee.fit_epoch(epoch, watch.after_batch) | watch.speed()
        network = None
        if (epoch + 1) % keep_every == 0 or epoch + 1 == schedule.epochs:
            network = trainee.snapshot()
            figures |= validation.figures(network, data)
        state = replace(state, epochs=(*state.epochs, figures))
        if network is not None:
            state = _keep(trainee, folder, state)
            trainee.publish(network, state)
        on_progress(epoch_line(epoch, schedule.epochs, figures))
    return state


def _choose_size(trainee: Trainee, schedule: Schedule, epoch: int) -> None:
    size = schedule.size_at(epoch)
    trainee.batches.start_epoch(epoch, size)
    if epoch and size != schedule.size_at(epoch - 1):
        # At a second size TensorFlow would trace for any size, which the bilinear resize refuses.
        trainee.model.make_train_function(force=True)


def _keep(trainee: Trainee, folder: Path, state: RunState) -> RunState:
    """Write the checkpoint, then the state that names it; then delete all but the last two checkpoints."""
    verify_present(folder)
    older = replace(state, epochs=state.epochs[: state.done])
    done = len(state.epochs)
    stem = f"epoch-{done:04d}"
    checkpoint = trainee.save_checkpoint(folder, stem)
    state = replace(state, done=done, checkpoint=checkpoint, sha256=secure_checkpoint(folder, stem))
    write_state(folder, state, older)
    for file in folder.glob("epoch-*"):
        if not file.name.startswith((f"{stem}.", f"epoch-{older.done:04d}.")):
            file.unlink()
    return state
