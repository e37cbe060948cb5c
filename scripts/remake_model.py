"""Trains a released model again, run by run, from the recipes in its facts: `make models` does it for all.

    python scripts/remake_model.py models/s prepared/ -o runs/s --trunks weights/

The data must be that which the model was trained on, by its hash. Teachers are taken from their own folders
beside this model's, as they are released; one that is the model itself is what the run before left. Threads
add in another order each time, so the weights come out alike, not equal.
`ship.py` takes the last run's folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecolor.data.dataset import open_dataset
from edgecolor.training.loop import train
from edgecolor.training.recipe import Augmentation, LossWeights, Recipe
from edgecolor_runtime.errors import DataError, EdgecolorError

ADDED = {"mixed": 0.0}  # what augmentation learned to do only after some models were trained
ADDED_CHOICES = {"teacher_tint": 1.0}  # the same of the recipe itself

ALIKE = {
    "e03452fbff41a93ea06d23559ba9a9a82b269c7a795368fbe49abb0edbd82398",
    "065992b168fca8c640213813bea36d7849c9dfbe38e226ab324799f5ff7f0a34",
    "10c1524e486c33d0bbf93c5e22e79eb18d0686b3844f1089cac47c56b37d0f28",
}
"""Hashes of the same photographs, prepared before and after block means were added up in another order (30 of
119 million values of ab differ, by one step), and with Pillow 12.3 where the others had Pillow 13 (a step in
2 % of the grays and 1 % of ab)."""


def runs_of(training: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs that led to a model, first to last, each with its recipe and data_sha256."""
    before = training.get("started_from")
    return [*(runs_of(before) if before else []), training]


def recipe_of(run: dict[str, Any]) -> Recipe:
    """The recipe of a run as its facts hold it."""
    said = run["recipe"]
    augment = Augmentation(**(ADDED | said["augment"]))
    parts = {"loss": _loss_weights(said["loss"]), "augment": augment, "teachers": _teachers(said)}
    return Recipe(**(ADDED_CHOICES | {k: v for k, v in said.items() if k != "teacher"} | parts))


def _loss_weights(weights: dict[str, float]) -> LossWeights:
    """The loss weights of a sidecar; earlier ones spell colorfulness in British English."""
    return LossWeights(**{key.replace("colour", "color"): value for key, value in weights.items()})


def _teachers(said: dict[str, Any]) -> tuple[str, ...]:
    """Older facts name one teacher or none."""
    one = said.get("teacher")
    return (one,) if one else tuple(said.get("teachers", ()))


def _with_teachers(recipe: Recipe, models: Path, before: Path | None) -> Recipe:
    """Teachers as they lie: in their folders, or in `before`, where the model is its own."""
    found = [
        before / "model.keras" if before and name == recipe.start else models / Path(name).stem / name
        for name in recipe.teachers
    ]
    return replace(recipe, teachers=tuple(map(str, found)))


def _trunk(recipe: Recipe, trunks: Path | None) -> str:
    return str(trunks / recipe.trunk) if trunks and recipe.trunk not in ("imagenet", "none") else recipe.trunk


def _verify_files(recipe: Recipe, models: Path, trunks: Path | None) -> None:
    """Told at once, not hours later."""
    wanted = [models / Path(name).stem / name for name in recipe.teachers if name != recipe.start]
    if not recipe.start and recipe.trunk not in ("imagenet", "none"):
        wanted.append(Path(_trunk(recipe, trunks)))
    for path in wanted:
        if not path.is_file():
            raise DataError(f"{path}: no such file. Make it first, as `make models` does, or name --trunks.")


def remake(folder: Path, data: Path, out: Path, trunks: Path | None) -> Path:
    """Trains all runs of `folder`'s model in turn; returns the last one's folder.

    Raises:
        DataError: no facts, other data than the model was trained on, or a missing teacher or trunk.
    """
    facts = folder / f"{folder.name}.json"
    try:
        runs = runs_of(json.loads(facts.read_text(encoding="utf-8"))["training"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{facts}: no facts of a training run.") from error
    prepared = open_dataset(data)
    known = ALIKE if prepared.sha256 in ALIKE else {prepared.sha256}
    if any(run["data_sha256"] not in known for run in runs):
        raise DataError(f"{data} is not what {folder.name} was trained on: {runs[0]['data_sha256'][:16]}…")
    if any(run["photographs"] != len(prepared.rows["train"]) for run in runs):
        raise DataError(f"{data} is split otherwise: {folder.name} had {runs[0]['photographs']} to train on.")
    recipes = [recipe_of(run) for run in runs]
    for recipe in recipes:
        _verify_files(recipe, folder.parent, trunks)
    start: Path | None = None
    for number, said in enumerate(recipes, start=1):
        recipe = _with_teachers(said, folder.parent, start)
        if start:
            recipe = replace(recipe, start=str(start / "model.keras"))
        else:
            recipe = replace(recipe, trunk=_trunk(recipe, trunks))
        start = out / f"run-{number}"
        print(f"{folder.name}: run {number} of {len(runs)}", file=sys.stderr)
        train(data, start, recipe, say=lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    assert start is not None  # a model has at least one run
    return start


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="models/<name>, with its <name>.json")
    parser.add_argument("data", type=Path, help="what `edgecolor dataset` made of the same photographs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a folder for the runs")
    parser.add_argument("--trunks", type=Path, help="the folder with the MobileNet weights")
    words = parser.parse_args()
    try:
        print(remake(words.folder, words.data, words.output, words.trunks))
    except EdgecolorError as error:
        print(f"remake: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
