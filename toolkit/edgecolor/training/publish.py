"""Publish the result of a training run: weights and sidecar."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from edgecolor.data.dataset import Dataset
from edgecolor.network.fusion import resized
from edgecolor.network.keras_file import load_network, save_network
from edgecolor.training import validation
from edgecolor.training.recipe import Recipe
from edgecolor.training.run_folder import read_json, write_json


def kept(network: keras.Model, recipe: Recipe, data: Dataset) -> keras.Model:
    """The network as it is published: where the recipe says so averaged with what it began as; centered.

    Wortsman et al., "Robust fine-tuning of zero-shot models", 2022 (arXiv:2109.01903): what fine-tuning gains
    on pictures like those trained on, the average keeps in part, and it loses less on others.
    """
    if not recipe.blend or not recipe.start:
        return validation.centered(network, data)
    begun = load_network(recipe.start)
    blended = resized(begun, None)
    blended.set_weights(
        [
            recipe.blend * before + (1 - recipe.blend) * after
            for before, after in zip(begun.get_weights(), network.get_weights(), strict=True)
        ]
    )
    return validation.centered(blended, data)


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
