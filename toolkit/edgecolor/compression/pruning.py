"""`prune`: a trained network learns to work with fewer weights. Its teacher is the network before pruning.

Pruning makes the download smaller, because zeros compress. Pruning does not make inference faster, because an
int8 kernel multiplies by a zero as by any other weight; `tune` makes a network faster.

A run is a folder like that of `train`:

    recipe.json               what the run does
    state.json                epochs done, the checkpoint after them, and the figures of every epoch
    state-older.json          the same for the checkpoint before
    epoch-0002.*              weights, masks and optimizer state after that epoch; the last two are kept
    model.keras, model.json   the pruned network and its sidecar, once all epochs are done
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgecolor.compression.keras2 import (
    add_magnitude_pruning,
    batch_callback,
    copy_weights_back,
    make_loss_metrics,
    pruning_callback,
    tf_keras,
    to_keras2,
)
from edgecolor.compression.pruning_gain import PruningGain, measure_pruning_gain
from edgecolor.data.dataset import Dataset, Split, open_dataset
from edgecolor.network.fusion import TEACHER_GAP, resized
from edgecolor.network.keras_file import fingerprint, load_network, save_network
from edgecolor.network.sidecar import read_sidecar, write_sidecar
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor.training import validation
from edgecolor.training.batches import Batches
from edgecolor.training.loop import AfterBatch, Trainee, run_epochs
from edgecolor.training.loss import bin_prior, chroma_loss, teacher_loss
from edgecolor.training.optimizer import MAX_GRADIENT_NORM
from edgecolor.training.publish import MODEL, val_figures
from edgecolor.training.recipe import LossWeights, Schedule, verify_steps
from edgecolor.training.run_folder import RunFolder, RunIdentity, RunState
from edgecolor_runtime.errors import GateError, UsageError

MIN_PRUNABLE_WEIGHTS = 1000  # the zeros of a smaller kernel save little and cost the most accuracy
TEACHER_WEIGHT = 3.0  # of the distance to the network before pruning; the true colors have 1
FIXED_SHARE = 1 / 3  # share of the steps, the last ones, in which the zeros stay where they are
TWO_FOUR_SPARSITY = 0.5


@dataclass(frozen=True)
class PruneOptions:
    """What to prune, and how the network trains meanwhile.

    Attributes:
        sparsity: share of zeros in each prunable kernel; 0.5 with `two_four`.
        two_four: two zeros in every four weights along the input channels.
        epochs: passes over the photographs.
        full_size_epochs: number of the last epochs that train at 224 pixels per side.
        size: pixels per side in the other epochs.
        batch: photographs per step.
        learning_rate: initial learning rate; it falls to nearly 0.
        seed: of the batches.
    """

    sparsity: float = 0.7
    two_four: bool = False
    epochs: int = 3
    full_size_epochs: int = 1
    size: int = 128
    batch: int = 32
    learning_rate: float = 5e-4
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            UsageError: names the option and its range.
        """
        if not 0 < self.sparsity < 1:
            raise UsageError(f"--sparsity {self.sparsity:g} must lie between 0 and 1.")
        if self.two_four and self.sparsity != TWO_FOUR_SPARSITY:
            raise UsageError("--two-four means a sparsity of 0.5. Leave --sparsity out.")
        Schedule(self.epochs, self.full_size_epochs, self.size)
        verify_steps(self.batch, self.learning_rate, self.seed)

    @property
    def schedule(self) -> Schedule:
        """Return the epochs and the picture sizes."""
        return Schedule(self.epochs, self.full_size_epochs, self.size)


@dataclass(frozen=True)
class KernelSparsity:
    """The weights of a layer's kernel, and how many of them are 0."""

    layer: str
    weights: int
    zeros: int
    prunable: bool


@dataclass(frozen=True)
class PruneResult:
    """A pruned network, with the zeros of each kernel and what pruning gained.

    Attributes:
        path: the .keras file.
        sparsity: share of zeros in all prunable kernels together.
        kernels: the weights and zeros of each kernel, in the order of the layers.
        hours: duration of the training.
        gain: the int8 files before and after; None without calibration photographs.
    """

    path: Path
    sparsity: float
    kernels: tuple[KernelSparsity, ...]
    hours: float
    gain: PruningGain | None


def prune(
    model: str | Path,
    data: str | Path,
    output: str | Path,
    options: PruneOptions | None = None,
    *,
    calibration: str | Path | None = None,
    on_progress: PrintLine = print_nothing,
) -> PruneResult:
    """Prune a trained network, or resume after the last checkpoint.

    Args:
        model: the .keras file to prune; it is also the teacher.
        data: a folder that `prepare_dataset` wrote.
        output: the folder of the run. It is made if it is missing, and resumed if it holds the same run.
        options: what to prune (default: as `PruneOptions`).
        calibration: folder of calibration photographs. With it, both networks are exported to int8 and
            compared.
        on_progress: takes a line of progress.

    Raises:
        DataError: unusable data or calibration photographs, or a loss that is not a number.
        ModelFileError: `model` is not a fusion network.
        UsageError: the folder holds another run.
        GateError: the network has fewer zeros than requested, or an int8 file misses a gate.
    """
    options = options or PruneOptions()
    model, output = Path(model), Path(output)
    state = _train_pruned(model, Path(data), output, options, on_progress=on_progress)
    path = output / MODEL
    kernels = count_zeros(load_network(path))
    gain = None
    if calibration:
        on_progress("exporting both networks to int8, to compare them")
        gain = measure_pruning_gain(model, path, Path(calibration))
    return PruneResult(
        path=path,
        sparsity=overall_sparsity(kernels),
        kernels=tuple(kernels),
        hours=state.hours,
        gain=gain,
    )


def _train_pruned(
    model: Path, data: Path, output: Path, options: PruneOptions, *, on_progress: PrintLine
) -> RunState:
    prepared = open_dataset(data)
    network = resized(load_network(model), None)
    recipe = asdict(options) | {"model": fingerprint(network)}
    identity = RunIdentity(recipe, **prepared.identity)
    with RunFolder(output, identity, on_progress) as folder:
        state = folder.state
        if state.done == options.epochs and _is_complete(output):
            on_progress(f"{output} is complete")
            return state
        keras.utils.set_random_seed(options.seed)
        batches = Batches(prepared, batch=options.batch, size=options.size, seed=options.seed, outputs=2)
        trainee = PrunedTrainee(network, batches, model, options, data=prepared, folder=output)
        folder.begin()
        return run_epochs(trainee, prepared, output, options.schedule, state=state, on_progress=on_progress)


def _is_complete(folder: Path) -> bool:
    return (folder / MODEL).exists() and (folder / MODEL).with_suffix(".json").exists()


def is_prunable(layer: Any) -> bool:
    """Return whether a layer's kernel is pruned: that of a plain convolution with enough weights."""
    return type(layer).__name__ == "Conv2D" and int(np.prod(layer.kernel.shape)) >= MIN_PRUNABLE_WEIGHTS


def count_zeros(network: keras.Model) -> list[KernelSparsity]:
    """Return the kernels of a network in the order of the layers."""
    kernels = []
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            values = keras.ops.convert_to_numpy(layer.kernel)
            zeros = int((values == 0).sum())
            kernels.append(KernelSparsity(layer.name, values.size, zeros, is_prunable(layer)))
    return kernels


def overall_sparsity(kernels: Sequence[KernelSparsity]) -> float:
    """Return the share of zeros in the prunable kernels together."""
    prunable = [k for k in kernels if k.prunable]
    return sum(k.zeros for k in prunable) / max(sum(k.weights for k in prunable), 1)


class PrunedTrainee(Trainee):
    """The fusion network under Keras 2, pruned while it trains."""

    def __init__(
        self,
        network: keras.Model,
        batches: Batches,
        source: Path,
        options: PruneOptions,
        *,
        data: Dataset,
        folder: Path,
    ) -> None:
        """Take the Keras 3 network of the file `source`, and where the run publishes."""
        self._network, self._source, self._options = network, source, options
        self._data, self._folder = data, folder
        self._student, model = _compile_student(network, options, data, len(batches))
        super().__init__(model, batches)

    def fit_epoch(self, epoch: int, after_batch: AfterBatch) -> dict[str, float]:
        """Train one epoch."""
        history = self.model.fit(
            _as_tf_data(self.batches),
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            callbacks=[pruning_callback(), batch_callback(after_batch)],
        )
        return {name: float(values[-1]) for name, values in history.history.items()}

    def save_checkpoint(self, folder: Path, stem: str) -> str:
        """Write several files. None of them counts before the state names the checkpoint."""
        self._checkpoint().write(str(folder / stem))
        return stem

    def load_checkpoint(self, path: Path) -> None:
        """Read weights, masks and optimizer state."""
        self._checkpoint().read(str(path)).assert_existing_objects_matched()

    def _checkpoint(self) -> Any:
        import tensorflow as tf

        return tf.train.Checkpoint(model=self.model, optimizer=self.model.optimizer)

    def snapshot(self) -> keras.Model:
        """Return the network with the zeros that it has now, centered."""
        copy_weights_back(self._student, self._network)
        return validation.centered(self._network, self._data)

    def publish(self, network: keras.Model, state: RunState) -> None:
        """Write network and sidecar once all epochs are done.

        Raises:
            GateError: a kernel has fewer zeros than requested.
        """
        if state.done < self._options.epochs:
            return
        kernels = count_zeros(network)
        _verify_zeros(kernels, self._options)
        path = self._folder / MODEL
        save_network(network, path)
        before = read_sidecar(self._source)
        record = PruningRecord(
            **asdict(self._options),
            model=self._source.name,
            sparsity_reached=round(overall_sparsity(kernels), 4),
            photographs=len(self._data.rows[Split.TRAIN]),
            data_sha256=self._data.sha256,
            hours=state.hours,
        )
        sidecar = replace(
            before,
            saturation=state.epochs[-1].get("saturation", before.saturation),
            accuracy=val_figures(state),
            coverage=validation.training_histograms(network, self._data),
            pruning=asdict(record),
        )
        write_sidecar(path, sidecar)

    def is_published(self, state: RunState) -> bool:
        """Return whether network and sidecar are there, once all epochs are done."""
        return state.done < self._options.epochs or _is_complete(self._folder)


@dataclass(frozen=True)
class PruningRecord:
    """How a network was pruned. It goes into the sidecar; the first fields are those of `PruneOptions`."""

    sparsity: float
    two_four: bool
    epochs: int
    full_size_epochs: int
    size: int
    batch: int
    learning_rate: float
    seed: int
    model: str
    sparsity_reached: float
    photographs: int
    data_sha256: str
    hours: float


def _compile_student(
    network: keras.Model, options: PruneOptions, data: Dataset, steps: int
) -> tuple[Any, Any]:
    """Return the student and the model that trains it. Its outputs are ab, and the gap to the teacher."""
    prunable = {layer.name for layer in network.layers if is_prunable(layer)}
    total = steps * options.epochs
    wrap = add_magnitude_pruning(
        prunable.__contains__,
        sparsity=options.sparsity,
        two_four=options.two_four,
        steps=max(1, round(total * (1 - FIXED_SHARE))),
    )
    k2 = tf_keras()
    student, teacher = to_keras2(network, "student", wrap), to_keras2(network, "teacher")
    teacher.trainable = False
    lightness = k2.Input((None, None, 1))
    ab = student(lightness)
    gap = k2.layers.Subtract(name=TEACHER_GAP)([ab, teacher(lightness, training=False)])
    model = k2.Model(lightness, [ab, gap])
    weights = LossWeights(teacher=TEACHER_WEIGHT)
    rate = k2.optimizers.schedules.CosineDecay(options.learning_rate, total, alpha=0.01)
    model.compile(
        k2.optimizers.Adam(rate, global_clipnorm=MAX_GRADIENT_NORM),
        loss=[chroma_loss(weights, bin_prior(data)), teacher_loss(weights)],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    make_loss_metrics(model)
    return student, model


def _as_tf_data(batches: Batches) -> Any:
    """Return one epoch of batches as a `tf.data.Dataset`: (L, (ab, ab)), float32."""
    import tensorflow as tf

    def make_batches() -> Iterator[Any]:
        for index in range(len(batches)):
            yield batches[index]

    lightness, (ab, _) = batches[0]
    target = tf.TensorSpec((None, *ab.shape[1:]), tf.float32)
    signature = (tf.TensorSpec((None, *lightness.shape[1:]), tf.float32), (target, target))
    return tf.data.Dataset.from_generator(make_batches, output_signature=signature).prefetch(2)


def _verify_zeros(kernels: Sequence[KernelSparsity], options: PruneOptions) -> None:
    for kernel in kernels:
        # In a kernel of k weights, the share of zeros is a multiple of 1 / k.
        if kernel.prunable and kernel.zeros < options.sparsity * kernel.weights - 1:
            raise GateError(
                f"{kernel.layer} has {kernel.zeros} zeros in {kernel.weights} weights, fewer than "
                f"{options.sparsity:.0%}: the run has too few steps for its schedule. Use more --epochs."
            )
