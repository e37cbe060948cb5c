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

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from edgecolor.data.dataset import Dataset, open_dataset, whole
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
from edgecolor.training import validation
from edgecolor.training.batches import Batches
from edgecolor.training.devices import scope
from edgecolor.training.loss import bin_prior, chroma_loss, class_loss, teacher_loss
from edgecolor.training.optimizer import make_optimizer
from edgecolor.training.progress import Say, _line, _tensorboard, _Watch
from edgecolor.training.publish import _is_published, _publish, kept
from edgecolor.training.recipe import Recipe
from edgecolor.training.run_folder import RECIPE, STATE, open_run, write_json
from edgecolor_runtime.errors import UsageError

TRUNK_PHOTOGRAPHS = 64  # enough pixels to know each channel's mean and deviation by


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
