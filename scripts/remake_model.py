"""Train a released model again, run by run, from the recipes in its sidecar. `make models` does it for all.

    python scripts/remake_model.py models/s prepared/ -o runs/s --trunks weights/

The data must be the data that the model was trained on; its hash is compared. Teachers are read from their
own folders beside the model's. A teacher that is the model itself is the result of the previous run. Threads
add numbers in another order each time, so the weights come out similar, not equal. Give the folder of the
last run to `ship_model.py`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from edgecolor import Augmentation, LossWeights, Recipe, train
from edgecolor.cli.common.messages import print_line
from edgecolor.data.dataset import Dataset, Split, open_dataset
from edgecolor.network.sidecar import read_sidecar
from edgecolor.support.json_records import JsonObject
from edgecolor_runtime.errors import DataError, EdgecolorError

NEW_AUGMENTATION = {
    "mixed": 0.0,
    "faded": 0.0,
}  # options that are newer than some models, with the value that has no effect
NEW_OPTIONS = {"teacher_tint": 1.0}

EQUIVALENT_DATA = {
    "e03452fbff41a93ea06d23559ba9a9a82b269c7a795368fbe49abb0edbd82398",
    "065992b168fca8c640213813bea36d7849c9dfbe38e226ab324799f5ff7f0a34",
    "10c1524e486c33d0bbf93c5e22e79eb18d0686b3844f1089cac47c56b37d0f28",
}
"""Hashes of the same photographs, prepared by different versions. The first two differ in the order in which
block means are added up: 30 of 119 million values of ab differ by one step. The third was prepared with
Pillow 12.3 instead of 13: 2 % of the grays and 1 % of ab differ by one step."""


@dataclass(frozen=True)
class PastRun:
    """A training run that led to a model."""

    recipe: Recipe
    data_sha256: str
    photographs: int  # in the train split


def read_runs(model: Path) -> list[PastRun]:
    """Return the runs that led to a model, first to last.

    Raises:
        DataError: the sidecar does not describe a training run.
    """
    try:
        return _parse_runs(read_sidecar(model).training)
    except KeyError as error:
        raise DataError(f"{model.with_suffix('.json')}: no record of a training run.") from error


def _parse_runs(training: JsonObject) -> list[PastRun]:
    before = training.get("started_from")
    run = PastRun(parse_recipe(training["recipe"]), training["data_sha256"], training["photographs"])
    return [*(_parse_runs(before) if before else []), run]


def parse_recipe(values: JsonObject) -> Recipe:
    """Return the recipe that a sidecar stores. Old sidecars name some options differently."""
    # Old sidecars name one teacher or none, and spell colorfulness in British English.
    teacher = values.get("teacher")
    loss = {key.replace("colour", "color"): weight for key, weight in values["loss"].items()}
    groups = {
        "loss": LossWeights(**loss),
        "augment": Augmentation(**(NEW_AUGMENTATION | values["augment"])),
        "teachers": (teacher,) if teacher else tuple(values.get("teachers", ())),
    }
    return Recipe(**(NEW_OPTIONS | {k: v for k, v in values.items() if k != "teacher"} | groups))


def _with_teachers(recipe: Recipe, models: Path, previous: Path | None) -> Recipe:
    """Return the recipe with the paths of its teachers; `previous` is the folder of the previous run."""
    paths = [
        previous / "model.keras" if previous and name == recipe.start else models / Path(name).stem / name
        for name in recipe.teachers
    ]
    return replace(recipe, teachers=tuple(map(str, paths)))


def _trunk(recipe: Recipe, trunks: Path | None) -> str:
    """Return the path of the pretrained weights. PyTorch's .pth files are converted to .npz."""
    if not trunks or recipe.trunk in ("imagenet", "none"):
        return recipe.trunk
    path = trunks / recipe.trunk
    return str(path.with_suffix(".npz") if path.suffix == ".pth" else path)


def _verify_files(recipe: Recipe, models: Path, trunks: Path | None) -> None:
    """Refuse a missing file at once, not hours later."""
    paths = [models / Path(name).stem / name for name in recipe.teachers if name != recipe.start]
    if not recipe.start and recipe.trunk not in ("imagenet", "none"):
        paths.append(Path(_trunk(recipe, trunks)))
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: no such file. Make it first, as `make models` does, or name --trunks.")


def _verify_data(runs: list[PastRun], data: Dataset, name: str) -> None:
    known = EQUIVALENT_DATA if data.sha256 in EQUIVALENT_DATA else {data.sha256}
    if any(run.data_sha256 not in known for run in runs):
        raise DataError(f"{data.path} is not what {name} was trained on: {runs[0].data_sha256[:16]}…")
    if any(run.photographs != len(data.rows[Split.TRAIN]) for run in runs):
        raise DataError(
            f"{data.path} has another split: {name} was trained on {runs[0].photographs} photographs."
        )


def remake(folder: Path, data: Path, out: Path, trunks: Path | None) -> Path:
    """Train all runs of the model in `folder`, one after the other. Return the folder of the last run.

    Raises:
        DataError: no record of a run, other data than the model was trained on, or a missing teacher or
            trunk.
    """
    name = folder.name
    runs = read_runs(folder / f"{name}.keras")
    _verify_data(runs, open_dataset(data), name)
    for run in runs:
        _verify_files(run.recipe, folder.parent, trunks)
    previous: Path | None = None
    for number, run in enumerate(runs, start=1):
        recipe = _with_teachers(run.recipe, folder.parent, previous)
        if previous:
            recipe = replace(recipe, start=str(previous / "model.keras"))
        else:
            recipe = replace(recipe, trunk=_trunk(recipe, trunks))
        previous = out / f"run-{number}"
        print_line(f"{name}: run {number} of {len(runs)}")
        train(data, previous, recipe, on_progress=lambda line: print_line(f"  {line}"))
    assert previous is not None  # a model has at least one run
    return previous


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="models/NAME, which holds NAME.json")
    parser.add_argument(
        "data", type=Path, help="folder that `edgecolor dataset` wrote of the same photographs"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--trunks", type=Path, help="folder with the pretrained weights")
    arguments = parser.parse_args()
    try:
        print(remake(arguments.folder, arguments.data, arguments.output, arguments.trunks))
    except EdgecolorError as error:
        print(f"remake_model: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
