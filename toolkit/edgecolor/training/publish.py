"""What a training run publishes: the network as it is kept, its sidecar, and pictures."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from edgecolor.data.dataset import Dataset, Split
from edgecolor.network.fusion import resized
from edgecolor.network.keras_file import load_network, save_network
from edgecolor.network.sidecar import Sidecar, read_sidecar, write_sidecar
from edgecolor.support.json_records import JsonObject
from edgecolor.training import validation
from edgecolor.training.recipe import Recipe
from edgecolor.training.run_folder import RunState

MODEL = "model.keras"


@dataclass(frozen=True)
class TrainingRecord:
    """How a network was trained. It goes into the sidecar, the exported file and the model card.

    Attributes:
        recipe: the recipe, with files by name, without their folders.
        epochs_done: epochs up to the checkpoint.
        photographs: number of train photographs.
        data_sha256: hash of the prepared dataset.
        hours: duration of the training.
        machine: architecture and number of cores.
        started_from: the same record of the network that training started from, if any.
        backend: of Keras, with the version of Keras.
    """

    recipe: JsonObject
    epochs_done: int
    photographs: int
    data_sha256: str
    hours: float
    machine: str
    started_from: JsonObject | None
    backend: str


def published_network(network: keras.Model, recipe: Recipe, data: Dataset) -> keras.Model:
    """Return the network that is published: averaged with the start if the recipe says so, and centered.

    Wortsman et al., "Robust fine-tuning of zero-shot models", 2022 (arXiv:2109.01903): the average keeps a
    part of what fine-tuning gains on similar pictures, and loses less on other pictures.
    """
    if not recipe.blend or not recipe.start:
        return validation.centered(network, data)
    start = load_network(recipe.start)
    blended = resized(start, None)
    blended.set_weights(
        [
            recipe.blend * before + (1 - recipe.blend) * after
            for before, after in zip(start.get_weights(), network.get_weights(), strict=True)
        ]
    )
    return validation.centered(blended, data)


def publish(network: keras.Model, data: Dataset, folder: Path, *, recipe: Recipe, state: RunState) -> None:
    """Write network and pictures, and last the sidecar, which says that the others are there."""
    save_network(network, folder / MODEL)
    validation.write_sheet(network, data, folder / f"val-{state.done:04d}.jpg")
    coverage = None
    if state.done == recipe.epochs:  # `edgecolor export` compares a calibration set with these
        coverage = validation.training_histograms(network, data)
    sidecar = Sidecar(
        alpha=recipe.alpha,
        saturation=state.epochs[-1].get("saturation", 1.0),
        training=asdict(training_record(recipe, state, data)),
        accuracy=val_figures(state),
        coverage=coverage,
    )
    write_sidecar(folder / MODEL, sidecar)


def is_published(folder: Path, state: RunState) -> bool:
    """Return whether the sidecar in a run's folder is that of its last checkpoint."""
    return read_sidecar(folder / MODEL).training.get("epochs_done") == state.done


def val_figures(state: RunState) -> dict[str, float]:
    """Return the figures on the val photographs after the last epoch."""
    return {name: value for name, value in state.epochs[-1].items() if name.startswith("val_")}


def training_record(recipe: Recipe, state: RunState, data: Dataset) -> TrainingRecord:
    """Return how a network was trained."""
    start = Path(recipe.start) if recipe.start else None
    names = {
        "trunk": Path(recipe.trunk).name,
        "start": start.name if start else None,
        "teachers": [Path(path).name for path in recipe.teachers],
    }
    return TrainingRecord(
        recipe=asdict(recipe) | names,
        epochs_done=state.done,
        photographs=len(data.rows[Split.TRAIN]),
        data_sha256=data.sha256,
        hours=state.hours,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        started_from=(read_sidecar(start).training or None) if start else None,
        backend=f"{keras.backend.backend()}, keras {keras.__version__}",
    )
