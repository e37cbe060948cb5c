"""Pruning: a trained network learns to do with fewer weights, taught by what it was.

What it buys is download size: zeros compress. It buys no speed, because an int8 kernel multiplies by zeros
like by any other weight; `slim` makes a network faster. A killed run goes on after its last whole epoch.

A run is a folder, as that of `train`:

    recipe.json               what was asked for
    state.json                epochs done, the checkpoint they left, and every epoch's figures
    epoch-0002.*              weights, masks and optimizer state after that epoch
    model.keras, model.json   the pruned network, once it is done, and the facts about it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgecolor.compression.keras2 import carry_back, magnitude_pruning, pruning_callback, tf_keras, to_legacy
from edgecolor.data.dataset import Dataset, open_dataset
from edgecolor.network.fusion import TEACHER_GAP, resized
from edgecolor.network.keras_file import fingerprint, load_network, save_network
from edgecolor.network.sidecar import read_facts
from edgecolor.training import validation
from edgecolor.training.batches import Batches
from edgecolor.training.loss import bin_prior, chroma_loss, teacher_loss
from edgecolor.training.optimizer import LONGEST_GRADIENT
from edgecolor.training.recipe import LossWeights
from edgecolor.training.run_folder import RECIPE, STATE, open_run, write_json
from edgecolor_runtime.errors import DataError, GateError, UsageError
from edgecolor_runtime.models.signature import INPUT_SIZE

LEAST = 1000  # weights of a kernel that is pruned: the zeros of a smaller one save nothing and cost most
TEACHER = 3.0  # weight of the teacher's term: what the network said, it should go on saying
STILL = 1 / 3  # share of the steps, the last ones, in which the zeros stay where they are

Say = Callable[[str], None]


@dataclass(frozen=True)
class Pruning:
    """What to prune: `sparsity` is the share of zeros in each prunable kernel, 0.5 where `two_four`."""

    sparsity: float = 0.7
    two_four: bool = False  # two zeros in every four weights along the input channels
    epochs: int = 3
    full_size_epochs: int = 1  # of those, the last ones, at 224 pixels
    size: int = 128  # pixels a side before that
    batch: int = 32
    learning_rate: float = 5e-4
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuses what cannot be done."""
        if not 0 < self.sparsity < 1:
            raise UsageError(f"--sparsity {self.sparsity:g} must lie between 0 and 1.")
        if self.two_four and self.sparsity != 0.5:
            raise UsageError("--two-four means a sparsity of 0.5; leave --sparsity out.")
        if not 0 <= self.full_size_epochs <= self.epochs:
            raise UsageError("--full-size-epochs must be at least 0 and at most --epochs.")
        if self.epochs < 1 or self.batch < 1 or self.seed < 0 or not 0 < self.learning_rate < float("inf"):
            raise UsageError("--epochs must be at least 1, --learning-rate above 0, --seed at least 0.")
        if self.size % 32 or not 32 <= self.size <= INPUT_SIZE:
            raise UsageError(f"--size {self.size} must be a multiple of 32, at most {INPUT_SIZE}.")

    def size_of(self, epoch: int) -> int:
        """Pixels a side in this epoch, counted from 0."""
        return INPUT_SIZE if epoch >= self.epochs - self.full_size_epochs else self.size


@dataclass(frozen=True)
class Kernel:
    """A layer's kernel: how many weights it has, and how many of them are 0."""

    layer: str
    weights: int
    zeros: int
    prunable: bool


def prune(data_path: Path, model: Path, run: Path, pruning: Pruning, *, say: Say) -> Path:
    """Prunes a trained network, or goes on after the last whole epoch.

    Args:
        data_path: a folder that `edgecolor dataset` made.
        model: the .keras file; it is also the teacher.
        run: the run's folder.
        pruning: what to do.
        say: takes a line of progress.

    Returns:
        The pruned .keras file.

    Raises:
        DataError: unusable data, or a loss that is no longer a number.
        ModelFileError: `model` is not such a network.
        UsageError: the run folder belongs to another recipe, network or data.
        GateError: the network has fewer zeros than was asked for.
    """
    data = open_dataset(data_path)
    network = resized(load_network(model), None)
    asked = {"recipe": asdict(pruning) | {"model": fingerprint(network)}} | data.identity
    state = open_run(run, asked)
    out, facts = run / "model.keras", run / "model.json"
    if state["done"] == pruning.epochs and out.exists() and facts.exists():
        say(f"{run} is done")
        return out
    keras.utils.set_random_seed(pruning.seed)
    batches = Batches(data, batch=pruning.batch, size=pruning.size, seed=pruning.seed, outputs=2)
    student, trained = _trained(network, pruning, data, len(batches))
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / RECIPE, asked)
    checkpoint = _checkpoint(trained)
    if state["done"]:
        checkpoint.read(str(run / state["checkpoint"])).assert_existing_objects_matched()
        say(f"resumed after epoch {state['done']} of {pruning.epochs}")
    for epoch in range(state["done"], pruning.epochs):
        batches.start_epoch(epoch, pruning.size_of(epoch))
        if epoch and pruning.size_of(epoch) != pruning.size_of(epoch - 1):
            trained.make_train_function(force=True)  # traced for one size, not for any
        state["epochs"].append(_epoch(trained, batches, epoch, pruning.epochs, say))
        _keep(run, checkpoint, state)
    carry_back(student, network)
    _verify(network, pruning)
    network = validation.centered(network, data)
    save_network(network, out)
    write_json(facts, _facts(model, network, pruning, state, data))  # last: says that the rest is there
    return out


def is_prunable(layer: Any) -> bool:
    """Whether a layer's kernel is pruned: a plain convolution with enough weights."""
    return type(layer).__name__ == "Conv2D" and int(np.prod(layer.kernel.shape)) >= LEAST


def kernels(network: keras.Model) -> list[Kernel]:
    """The kernels of a network in the order they run."""
    found = []
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            values = keras.ops.convert_to_numpy(layer.kernel)
            found.append(Kernel(layer.name, values.size, int((values == 0).sum()), is_prunable(layer)))
    return found


def sparsity(found: list[Kernel]) -> float:
    """Share of zeros in the prunable kernels together."""
    prunable = [k for k in found if k.prunable]
    return sum(k.zeros for k in prunable) / max(sum(k.weights for k in prunable), 1)


def _trained(network: keras.Model, pruning: Pruning, data: Dataset, steps: int) -> tuple[Any, Any]:
    """The student, pruned as it trains, and the model that trains it: its ab, and its gap to the teacher."""
    chosen = {layer.name for layer in network.layers if is_prunable(layer)}
    total = steps * pruning.epochs
    wrap = magnitude_pruning(
        chosen.__contains__,
        sparsity=pruning.sparsity,
        two_four=pruning.two_four,
        steps=max(1, round(total * (1 - STILL))),
    )
    k2 = tf_keras()
    student, teacher = to_legacy(network, "student", wrap), to_legacy(network, "teacher")
    teacher.trainable = False
    lightness = k2.Input((None, None, 1))
    ab = student(lightness)
    gap = k2.layers.Subtract(name=TEACHER_GAP)([ab, teacher(lightness, training=False)])
    model = k2.Model(lightness, [ab, gap])
    weights = LossWeights(teacher=TEACHER)
    rate = k2.optimizers.schedules.CosineDecay(pruning.learning_rate, total, alpha=0.01)
    model.compile(
        k2.optimizers.Adam(rate, global_clipnorm=LONGEST_GRADIENT),
        loss=[chroma_loss(weights, bin_prior(data)), teacher_loss(weights)],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    return student, model


def _checkpoint(model: Any) -> Any:
    import tensorflow as tf

    return tf.train.Checkpoint(model=model, optimizer=model.optimizer)


def _epoch(model: Any, batches: Batches, epoch: int, epochs: int, say: Say) -> dict[str, float]:
    import tensorflow as tf

    begun = said = time.monotonic()

    def feed() -> Iterator[Any]:
        nonlocal said
        for i in range(len(batches)):
            yield batches[i]
            if time.monotonic() - said > 15:
                said = time.monotonic()
                rate = (i + 1) * batches.batch / (said - begun)
                say(f"epoch {epoch + 1}/{epochs}  batch {i + 1}/{len(batches)}  {rate:.0f} images/s")

    lightness, (ab, _) = batches[0]
    ends = tf.TensorSpec((None, *ab.shape[1:]), tf.float32)
    source = tf.data.Dataset.from_generator(
        feed, output_signature=(tf.TensorSpec((None, *lightness.shape[1:]), tf.float32), (ends, ends))
    )
    history = model.fit(
        source.prefetch(2),
        initial_epoch=epoch,
        epochs=epoch + 1,
        verbose=0,
        callbacks=[pruning_callback()],
    )
    figures = {"loss": float(history.history["loss"][-1]), "seconds": round(time.monotonic() - begun, 1)}
    if not np.isfinite(figures["loss"]):
        raise DataError("The loss is no longer a number. Try a lower --learning-rate.")
    say(f"epoch {epoch + 1}/{epochs} done  loss {figures['loss']:.3f}  {figures['seconds']:.0f} s")
    return figures


def _keep(run: Path, checkpoint: Any, state: dict[str, Any]) -> None:
    """The checkpoint, then the state that names it; what it replaces goes last."""
    done, previous = len(state["epochs"]), state["checkpoint"]
    name = f"epoch-{done:04d}"
    checkpoint.write(str(run / name))  # several files; none counts before the state names them
    state.update(done=done, checkpoint=name)
    write_json(run / STATE, state)
    if previous and previous != name:
        for file in run.glob(f"{previous}.*"):
            file.unlink()


def _verify(network: keras.Model, pruning: Pruning) -> None:
    for kernel in kernels(network):
        # A kernel of k weights cannot have a share between two multiples of 1 / k.
        if kernel.prunable and kernel.zeros < pruning.sparsity * kernel.weights - 1:
            raise GateError(
                f"{kernel.layer} has {kernel.zeros} zeros in {kernel.weights} weights, fewer than "
                f"{pruning.sparsity:.0%}: too few steps for the schedule. Give it more --epochs."
            )


def _facts(
    model: Path, network: keras.Model, pruning: Pruning, state: dict[str, Any], data: Dataset
) -> dict[str, Any]:
    """The facts about the model as it was, and what pruning did to it."""
    figures = validation.figures(network, data)
    found = kernels(network)
    facts = read_facts(model)
    return facts | {
        "saturation": figures.get("saturation", facts.get("saturation", 1.0)),
        "accuracy": {k: v for k, v in figures.items() if k.startswith("val_")},
        "coverage": validation.training_histograms(network, data),
        "pruning": asdict(pruning)
        | {
            "model": model.name,
            "sparsity_reached": round(sparsity(found), 4),
            "photographs": len(data.rows["train"]),
            "data_sha256": data.sha256,
            "hours": round(sum(e["seconds"] for e in state["epochs"]) / 3600, 2),
        },
    }
