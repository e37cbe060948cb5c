"""Training: resumable after a kill, with nothing lost but what came after the last epoch kept.

A run is a folder:

    recipe.json               what was asked for; a resumed run must ask for the same
    state.json                epochs done, the checkpoint they left, and every epoch's figures
    epoch-0007.weights.h5     weights and optimizer state after that epoch
    model.keras, model.json   the network so far, as `edgecolor export` takes it, and the facts about it
    val-0007.jpg              gray, ours, original, for a few val photographs
    tensorboard/              curves

Only keras and numpy are imported, so the same command trains on TensorFlow, JAX or PyTorch (KERAS_BACKEND).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgecolor import efficientnet, validation
from edgecolor.dataset import Dataset, open_dataset
from edgecolor.devices import scope
from edgecolor.feed import Batches, whole
from edgecolor.fused import for_teaching, for_training
from edgecolor.loss import chroma_loss, class_loss, soft_bins, teacher_loss
from edgecolor.network import (
    build_network,
    decoder_width,
    load_network,
    resized,
    widths,
    with_class_head,
    with_teachers,
)
from edgecolor.optimizer import make_optimizer
from edgecolor.recipe import Recipe
from edgecolor.run_folder import RECIPE, STATE, open_run, read_json, write_json
from edgecolor.trunk import freeze_trunk, is_efficientnet, load_trunk
from edgecolor_runtime.color import F32
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.preprocess import INPUT_SIZE

PRIOR_PHOTOGRAPHS = 4000  # enough for the frequency of the rarest bins to settle within a few percent
TRUNK_PHOTOGRAPHS = 64  # enough pixels to know each channel's mean and deviation by

Say = Callable[[str], None]


def train(
    data_path: Path,
    run: Path,
    recipe: Recipe,
    *,
    say: Say,
    every: float = 15.0,
    devices: str = "one",
    workers: int = 0,
    keep_every: int = 1,
) -> Path:
    """Trains, or resumes, until `recipe.epochs` epochs are done.

    Args:
        data_path: a folder that `edgecolor dataset` made.
        run: the run's folder; made if missing, resumed if it holds the same recipe.
        recipe: what to train.
        say: takes a line of progress.
        every: seconds between lines.
        devices: "one" or "all". No part of the recipe: a run may go on where there are more, or fewer.
        workers: processes that make batches ahead; 0 makes each in this one when it is needed.
        keep_every: epochs between checkpoints, each with figures and pictures; the last epoch has one anyway.

    Returns:
        The .keras file.

    Raises:
        DataError: unusable data or trunk weights, or a loss that is no longer a number.
        MissingError: a worker was killed.
        ModelFileError: `recipe.start` is not such a network.
        UsageError: the run folder belongs to another recipe or other data.
    """
    data = open_dataset(data_path)
    asked = {"recipe": asdict(recipe)} | data.identity
    state = open_run(run, asked)
    keras.utils.set_random_seed(recipe.seed)
    made = Batches(
        data,
        batch=recipe.batch,
        size=recipe.size,
        seed=recipe.seed,
        outputs=3 if recipe.teachers else 2,
        augment=recipe.augment,
        workers=workers,
    )
    with closing(made) as batches:
        network, model = _built(recipe, data, batches, devices, say)
        run.mkdir(parents=True, exist_ok=True)
        validation.say_what_is_missing(data, say)
        write_json(run / RECIPE, asked)  # only now: what cannot be begun must not bind the next attempt
        if state["done"]:
            model.load_weights(run / state["checkpoint"])
            say(f"resumed after epoch {state['done']} of {recipe.epochs}")
            if not _is_published(run, state["done"]):  # killed right after the checkpoint
                _publish(run, kept(network, recipe, data), recipe, state, data)
        for epoch in range(state["done"], recipe.epochs):
            batches.start_epoch(epoch, recipe.size_of(epoch))
            if epoch and recipe.size_of(epoch) != recipe.size_of(epoch - 1):
                # At a second size TensorFlow would trace for any size, which the bilinear resize refuses.
                model.make_train_function(force=True)
            watch = _Watch(recipe, epoch, len(batches), say, every)
            model.fit(
                batches,
                initial_epoch=epoch,
                epochs=epoch + 1,
                verbose=0,
                shuffle=False,  # the order is ours, so that it can be resumed
                callbacks=[watch, *_tensorboard(run)],
            )
            state["epochs"].append(watch.figures)
            if (epoch + 1) % keep_every == 0 or epoch + 1 == recipe.epochs:
                result = kept(network, recipe, data)
                state["epochs"][-1] |= validation.figures(result, data)
                _keep(run, model, state)
                _publish(run, result, recipe, state, data)
            say(_line(epoch, recipe, state["epochs"][-1]))
    return run / "model.keras"


def _built(
    recipe: Recipe, data: Dataset, batches: Batches, devices: str, say: Say
) -> tuple[keras.Model, keras.Model]:
    """The network, and the model around it that is trained."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        with scope(devices, batches.batch, say):
            network = _begin(recipe, data)
            model = compiled(network, recipe, data, len(batches))
            # Without slots a resumed optimizer would start anew, and Keras would only warn.
            model.optimizer.build(model.trainable_variables)
    finally:
        keras.config.set_dtype_policy(before)
    return network, model


def _begin(recipe: Recipe, data: Dataset) -> keras.Model:
    """The network for any picture size, with the weights that training starts from."""
    if recipe.start:
        begun = load_network(recipe.start)
        if efficientnet.blocks_in(begun):  # has no alpha of its own: the decoder's stands for it
            if begun.get_layer("encoder_2").filters != decoder_width(recipe.alpha):
                raise UsageError(f"{recipe.start} is for another --alpha: try 1.")
        elif widths(begun)[0] != recipe.alpha:
            raise UsageError(f"{recipe.start} has an alpha of {widths(begun)[0]:g}. Name it with --alpha.")
        network = resized(begun, None)
    else:
        blocks = efficientnet.blocks_of(Path(recipe.trunk)) if is_efficientnet(recipe.trunk) else None
        network = build_network(recipe.alpha, size=None, blocks=blocks)
        if recipe.trunk != "none":
            lightness, _ = whole(data, data.rows["train"][:TRUNK_PHOTOGRAPHS])
            load_trunk(network, recipe.alpha, recipe.trunk, lightness)
    network = for_training(network)
    if recipe.freeze:
        freeze_trunk(network)
    return network


def kept(network: keras.Model, recipe: Recipe, data: Dataset) -> keras.Model:
    """The network as it is published: where the recipe says so averaged with what it began as; centred.

    Wortsman et al., "Robust fine-tuning of zero-shot models", 2022 (arXiv:2109.01903): what fine-tuning gains
    on pictures like those trained on, the average keeps in part, and it loses less on others.
    """
    if not recipe.blend or not recipe.start:
        return validation.centred(network, data)
    begun = load_network(recipe.start)
    blended = resized(begun, None)
    blended.set_weights(
        [
            recipe.blend * before + (1 - recipe.blend) * after
            for before, after in zip(begun.get_weights(), network.get_weights(), strict=True)
        ]
    )
    return validation.centred(blended, data)


def compiled(network: keras.Model, recipe: Recipe, data: Dataset, steps: int) -> keras.Model:
    """The network with its training-only head, loss and optimizer; `steps` are those of an epoch."""
    prior = bin_prior(data)
    model = with_class_head(network)
    losses = [chroma_loss(recipe.loss, prior), class_loss(recipe.loss, prior)]
    if recipe.teachers:
        named = [(f"teacher_{i}", path) for i, path in enumerate(recipe.teachers, start=1)]
        teachers = [for_teaching(resized(load_network(path), None, name=name)) for name, path in named]
        model = with_teachers(model, teachers, recipe.teacher_tint)
        losses.append(teacher_loss(recipe.loss))
    model.compile(
        optimizer=make_optimizer(recipe, steps),
        loss=losses,
        # TensorFlow's XLA was measured ten times slower on a CPU; JAX without it goes layer by layer.
        jit_compile=keras.backend.backend() != "tensorflow" and "auto",
    )
    return model


def bin_prior(data: Dataset) -> F32:
    """How often each ab bin occurs in the train rows: (BINS,), sums to 1."""
    rows = data.rows["train"]
    rows = rows[:: max(1, len(rows) // PRIOR_PHOTOGRAPHS)]
    # Every second pixel along each side is enough to count by.
    counts = [soft_bins(whole(data, c)[1][:, ::2, ::2], np).sum((0, 1, 2)) for c in np.array_split(rows, 64)]
    total = np.sum(counts, axis=0)
    return np.asarray(total / total.sum(), dtype=np.float32)


def _keep(run: Path, model: keras.Model, state: dict[str, Any]) -> None:
    """The checkpoint, then the state that names it; each appears whole or not at all."""
    done = len(state["epochs"])
    previous, checkpoint = state["checkpoint"], f"epoch-{done:04d}.weights.h5"
    partial = run / f".partial-{checkpoint}"
    model.save_weights(partial)
    partial.replace(run / checkpoint)
    state.update(done=done, checkpoint=checkpoint)
    write_json(run / STATE, state)
    if previous and previous != checkpoint:
        (run / previous).unlink(missing_ok=True)


def _publish(run: Path, network: keras.Model, recipe: Recipe, state: dict[str, Any], data: Dataset) -> None:
    """The network and its pictures, and last the facts, which say that the rest is there."""
    save_network(network, run / "model.keras")
    validation.write_sheet(network, data, run / f"val-{state['done']:04d}.jpg")
    about = facts(recipe, state, data)
    if state["done"] == recipe.epochs:  # what `edgecolor export` holds a calibration set against
        about["coverage"] = validation.training_histograms(network, data)
    write_json(run / "model.json", about)


def _is_published(run: Path, done: int) -> bool:
    path = run / "model.json"
    return path.exists() and bool(read_json(path)["training"]["epochs_done"] == done)


def save_network(network: keras.Model, path: Path) -> None:
    """Writes the network alone, float32 and static at 224 x 224, whatever it was trained as."""
    partial = path.with_name(f".partial-{path.name}")
    resized(network, INPUT_SIZE).save(partial)
    partial.replace(path)


def facts(recipe: Recipe, state: dict[str, Any], data: Dataset) -> dict[str, Any]:
    """What a model file and a model card say about how the network came to be."""
    before = Path(recipe.start).with_suffix(".json") if recipe.start else None
    files = {
        "trunk": Path(recipe.trunk).name,
        "start": Path(recipe.start).name if recipe.start else None,
        "teachers": [Path(path).name for path in recipe.teachers],
    }
    return {
        "alpha": recipe.alpha,
        "saturation": state["epochs"][-1].get("saturation", 1.0),
        "training": {
            "recipe": asdict(recipe) | files,
            "epochs_done": state["done"],
            "photographs": len(data.rows["train"]),
            "data_sha256": data.sha256,
            "hours": round(sum(e["seconds"] for e in state["epochs"]) / 3600, 2),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "started_from": read_json(before).get("training") if before and before.is_file() else None,
            "backend": f"{keras.backend.backend()}, keras {keras.__version__}",
        },
        "accuracy": {k: v for k, v in state["epochs"][-1].items() if k.startswith("val_")},
    }


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
    shown = ("loss", "val_gain_db", "val_colour_share", "val_colourfulness_error", "images_per_second")
    text = "  ".join(f"{k} {found[k]:.3f}" for k in shown if k in found)
    return f"epoch {epoch + 1}/{recipe.epochs} done  {text}"
