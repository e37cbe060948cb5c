"""models/ablate.py and models/remake.py: what they would train. The training itself is tested elsewhere."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict, fields
from pathlib import Path
from types import ModuleType

import pytest

from edgecolor.recipe import Recipe
from edgecolor_runtime.errors import DataError

MODELS = Path(__file__).parents[2] / "models"
RELEASED = sorted(path.parent.name for path in MODELS.glob("*/*.keras"))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, MODELS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_ablation_changes_one_thing() -> None:
    base = Recipe(epochs=3, full_size_epochs=0, size=96)
    runs = load("ablate").variants(base, "teacher.keras")
    assert len(runs) > 8
    (first, recipe), *others = runs.items()
    assert first == "the recipe"
    assert recipe == base
    for name, other in others:
        changed = [f.name for f in fields(Recipe) if getattr(other, f.name) != getattr(base, f.name)]
        assert len(changed) == 1, name


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_model_can_be_made_again(name: str) -> None:
    """Its facts hold every choice of every run: nothing is left to a default that may change."""
    remake = load("remake")
    facts = json.loads((MODELS / name / f"{name}.json").read_text())
    runs = remake.runs_of(facts["training"])
    assert runs[0]["recipe"]["start"] is None
    for run in runs:
        assert asdict(remake.recipe_of(run)) == run["recipe"]
        assert len(run["data_sha256"]) == 64


def test_other_data_is_refused(tmp_path: Path, prepared: Path) -> None:
    with pytest.raises(DataError, match="is not what s was trained on"):
        load("remake").remake(MODELS / "s", prepared, tmp_path, None)
    with pytest.raises(DataError, match="no facts of a training run"):
        load("remake").remake(tmp_path / "nobody", prepared, tmp_path, None)
