"""`train`: a prepared dataset and a recipe in, a trained network out.

A run is a folder:

    recipe.json               what the run does; a resumed run must have the same recipe and data
    state.json                epochs done, the checkpoint after them, and the figures of every epoch
    state-older.json          the same for the checkpoint before
    epoch-0007.weights.h5     weights and optimizer state after that epoch; the last two are kept
    model.keras, model.json   the network so far, as `edgecolor export` reads it, and its sidecar
    val-0007.jpg              gray, ours and original of a few val photographs
    tensorboard/              curves

Only Keras and numpy are imported. The same command trains on TensorFlow, JAX or PyTorch (KERAS_BACKEND).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from edgecolor.data.dataset import Dataset, Split, load_pairs, open_dataset
from edgecolor.network import efficientnet
from edgecolor.network.batch_norm import for_teaching, for_training
from edgecolor.network.fusion import (
    build_network,
    decoder_width,
    resized,
    widths,
    with_class_head,
    with_teachers,
)
from edgecolor.network.keras_file import load_network
from edgecolor.network.pretrained import freeze_trunk, is_efficientnet, load_trunk
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor.training import validation
from edgecolor.training.batches import Batches
from edgecolor.training.devices import ONE_DEVICE, device_scope
from edgecolor.training.loop import AfterBatch, Trainee, run_epochs
from edgecolor.training.loss import bin_prior, chroma_loss, class_loss, teacher_loss
from edgecolor.training.optimizer import make_optimizer
from edgecolor.training.publish import is_published, publish, published_network
from edgecolor.training.recipe import SIZE_STEP, Recipe
from edgecolor.training.run_folder import RunFolder, RunIdentity, RunState
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.models.signature import CHROMA_STRIDE
from edgecolor_runtime.system import files

TRUNK_PHOTOGRAPHS = 64  # enough pixels for the mean and the deviation of each channel


def train(
    data: str | Path,
    output: str | Path,
    recipe: Recipe,
    *,
    on_progress: PrintLine = print_nothing,
    devices: str = ONE_DEVICE,
    workers: int = 0,
    keep_every: int = 1,
) -> Path:
    """Train the fusion network, or resume after the last checkpoint.

    Args:
        data: a folder that `prepare_dataset` wrote.
        output: the folder of the run. It is made if it is missing, and resumed if it holds the same recipe.
        recipe: what to train.
        on_progress: takes a line of progress.
        devices: "one" or "all". The choice is not part of the recipe: a run may resume on other devices.
        workers: number of processes that make batches ahead; 0: this process makes each batch when needed.
        keep_every: epochs between checkpoints, each with figures and pictures. The last epoch always has one.

    Returns:
        The .keras file.

    Raises:
        DataError: unusable data or pretrained weights, or a loss that is not a number.
        MissingError: a worker process was killed.
        ModelFileError: `recipe.start` or a teacher is not a fusion network.
        UsageError: the folder holds a run with another recipe or other data.
        EdgecolorError: another process works in the folder, or the folder was removed meanwhile.
    """
    output = Path(output)
    prepared = open_dataset(Path(data))
    identity = RunIdentity(asdict(recipe), **prepared.identity)
    with RunFolder(output, identity, on_progress) as folder:
        _train_in(
            folder,
            prepared,
            output,
            recipe,
            on_progress=on_progress,
            devices=devices,
            workers=workers,
            keep_every=keep_every,
        )
    return output / "model.keras"


def _train_in(
    folder: RunFolder,
    prepared: Dataset,
    output: Path,
    recipe: Recipe,
    *,
    on_progress: PrintLine,
    devices: str,
    workers: int,
    keep_every: int,
) -> None:
    state = folder.state
    if state.done == recipe.epochs and is_published(output, state):
        on_progress(f"{output} is complete")
        return
    keras.utils.set_random_seed(recipe.seed)
    all_batches = Batches(
        prepared,
        batch=recipe.batch,
        size=recipe.size,
        seed=recipe.seed,
        outputs=3 if recipe.teachers else 2,
        augment=recipe.augment,
        workers=workers,
    )
    with closing(all_batches) as batches:
        with dtype_policy(recipe.precision), device_scope(devices, batches.batch, on_progress):
            network = _initial_network(recipe, prepared)
            model = compile_model(network, recipe, prepared, len(batches))
            # Without this, loading a checkpoint would reset the optimizer with only a warning.
            model.optimizer.build(model.trainable_variables)
        validation.report_missing(prepared, on_progress)
        folder.begin()  # only now: a run that cannot begin must not bind the folder
        trainee = FusionTrainee(network, model, batches=batches, recipe=recipe, data=prepared, folder=output)
        run_epochs(
            trainee,
            prepared,
            output,
            recipe.schedule,
            state=state,
            keep_every=keep_every,
            on_progress=on_progress,
        )


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Build layers with the dtype policy `name` of Keras, and restore the previous policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _initial_network(recipe: Recipe, data: Dataset) -> keras.Model:
    """Return the network for any picture size, with the weights that training starts from."""
    if recipe.start:
        start = load_network(recipe.start)
        if efficientnet.blocks_in(start):  # has no alpha of its own; the decoder's width stands for it
            if start.get_layer("encoder_2").filters != decoder_width(recipe.alpha):
                raise UsageError(f"{recipe.start} has another alpha. Try --alpha 1.")
        elif widths(start)[0] != recipe.alpha:
            alpha = widths(start)[0]
            raise UsageError(f"{recipe.start} has an alpha of {alpha:g}. Add --alpha {alpha:g}.")
        network = resized(start, None)
    else:
        blocks = efficientnet.blocks_of(Path(recipe.trunk)) if is_efficientnet(recipe.trunk) else None
        network = build_network(recipe.alpha, size=None, blocks=blocks)
        if recipe.trunk != "none":
            lightness, _ = load_pairs(data, data.rows[Split.TRAIN][:TRUNK_PHOTOGRAPHS])
            load_trunk(network, recipe.alpha, recipe.trunk, lightness)
    network = for_training(network)
    if recipe.freeze:
        freeze_trunk(network)
    return network


def compile_model(network: keras.Model, recipe: Recipe, data: Dataset, steps: int) -> keras.Model:
    """Return the network with its training-only outputs, compiled with loss and optimizer.

    Args:
        network: for any picture size.
        recipe: names the teachers, the loss weights and the learning rate.
        data: its train rows give the frequency of each color.
        steps: batches in an epoch.
    """
    prior = bin_prior(data)
    model = with_class_head(network)
    losses = [chroma_loss(recipe.loss, prior), class_loss(recipe.loss, prior)]
    if recipe.teachers:
        teachers = [
            for_teaching(resized(load_network(path), None, name=f"teacher_{number}"))
            for number, path in enumerate(recipe.teachers, start=1)
        ]
        model = with_teachers(model, teachers, recipe.teacher_tint)
        losses.append(teacher_loss(recipe.loss))
    model.compile(
        optimizer=make_optimizer(recipe, steps),
        loss=losses,
        # Measured on a CPU: XLA makes TensorFlow ten times slower. Without XLA, JAX runs layer by layer.
        jit_compile=keras.backend.backend() != "tensorflow" and "auto",
    )
    if keras.backend.backend() == "tensorflow":
        _make_loss_metrics(model)
    return model


def _make_loss_metrics(model: keras.Model) -> None:
    """Make the variables that hold the mean losses.

    Keras would make them in the first training step. TensorFlow traces a step that makes variables twice,
    which takes seconds.
    """
    side = SIZE_STEP // CHROMA_STRIDE
    outputs = model.compute_output_shape((1, SIZE_STEP, SIZE_STEP, 1))
    target = np.zeros((1, side, side, 2), np.float32)
    model.compute_loss(y=(target,) * len(outputs), y_pred=[np.zeros(shape, np.float32) for shape in outputs])


class FusionTrainee(Trainee):
    """The fusion network, trained by Keras 3 on any backend."""

    def __init__(
        self,
        network: keras.Model,
        model: keras.Model,
        *,
        batches: Batches,
        recipe: Recipe,
        data: Dataset,
        folder: Path,
    ) -> None:
        """Take the network, the compiled model around it, and where the run publishes."""
        super().__init__(model, batches)
        self._network, self._recipe, self._data, self._folder = network, recipe, data, folder

    def fit_epoch(self, epoch: int, after_batch: AfterBatch) -> dict[str, float]:
        """Train one epoch."""
        history = self.model.fit(
            self.batches,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            shuffle=False,  # the order follows from seed and epoch, so that a run can be resumed
            callbacks=[_BatchCallback(after_batch), *_tensorboard(self._folder)],
        )
        return {name: float(values[-1]) for name, values in history.history.items()}

    def save_checkpoint(self, folder: Path, stem: str) -> str:
        """Write one HDF5 file."""
        path = folder / f"{stem}.weights.h5"
        with files.staged_file(path, force=True) as staged:
            self.model.save_weights(staged)
        return path.name

    def load_checkpoint(self, path: Path) -> None:
        """Read the HDF5 file."""
        self.model.load_weights(path)

    def snapshot(self) -> keras.Model:
        """Return the network, blended and centered as the recipe says."""
        return published_network(self._network, self._recipe, self._data)

    def publish(self, network: keras.Model, state: RunState) -> None:
        """Write network, pictures and sidecar."""
        publish(network, self._data, self._folder, recipe=self._recipe, state=state)

    def is_published(self, state: RunState) -> bool:
        """Return whether the sidecar of this state is there."""
        return is_published(self._folder, state)


class _BatchCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Passes the loss on after each batch."""

    # With this, JAX begins a step before the loss of the previous step is known; Keras calls from a thread.
    async_safe = True

    def __init__(self, after_batch: AfterBatch) -> None:
        super().__init__()
        self._after_batch = after_batch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._after_batch(batch + 1, (logs or {})["loss"])


def _tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    # Keras writes TensorBoard's files through TensorFlow, on every backend.
    if any(importlib.util.find_spec(name) is None for name in ("tensorflow", "tensorboard")):
        return []
    return [keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)]
