"""scripts/ablate_recipe.py, remake_model.py and ship_model.py, without their trainings."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import ModuleType

import pytest

from edgecolor.compression.pruning import PruneOptions
from edgecolor.compression.width_search import TuneOptions
from edgecolor.data.calibration import CHECK_PICTURES
from edgecolor.data.dataset import Split, open_dataset
from edgecolor.training.recipe import Recipe
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.models.shipped import SHIPPED

SCRIPTS = Path(__file__).parents[2] / "scripts"
MODELS = Path(__file__).parents[2] / "models"
RELEASED = sorted(path.parent.name for path in MODELS.glob("*/*.keras"))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_ablation_changes_one_thing() -> None:
    base = Recipe(epochs=3, full_size_epochs=0, size=96)
    runs = load("ablate_recipe").variants(base, "teacher.keras")
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
    remake = load("remake_model")
    training = json.loads((MODELS / name / f"{name}.json").read_text())["training"]
    runs = remake.read_runs(MODELS / name / f"{name}.keras")
    assert runs[0].recipe.start is None
    for run in reversed(runs):
        stored = training["recipe"]
        recipe = asdict(run.recipe)
        one = stored.pop("teacher", None)  # the key of old sidecars
        assert list(recipe.pop("teachers")) == stored.pop("teachers", [one] if one else [])
        stored["loss"] = {key.replace("colour", "color"): weight for key, weight in stored["loss"].items()}
        augment = remake.NEW_AUGMENTATION | stored["augment"]
        assert recipe == remake.NEW_OPTIONS | stored | {"augment": augment}
        assert len(run.data_sha256) == 64
        training = training["started_from"]
    assert training is None


def test_other_data_is_refused(tmp_path: Path, prepared: Path) -> None:
    with pytest.raises(DataError, match="is not what s was trained on"):
        load("remake_model").remake(MODELS / "s", prepared, tmp_path, None)
    with pytest.raises(DataError, match="no record of a training run"):
        load("remake_model").remake(tmp_path / "nobody", prepared, tmp_path, None)


def test_the_same_photographs_prepared_otherwise_may_stand_in(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain of runs with two hashes, as m's, begins, and here ends where the first run has no trunk."""
    remake = load("remake_model")
    models = [MODELS / name / f"{name}.keras" for name in ("m", "e-tuned")]
    runs = [run for model in models for run in remake.read_runs(model)]
    assert {run.data_sha256 for run in runs} == remake.EQUIVALENT_DATA
    known = remake.EQUIVALENT_DATA | {open_dataset(prepared).sha256}
    monkeypatch.setattr(remake, "EQUIVALENT_DATA", known)
    with pytest.raises(DataError, match="has another split"):
        remake.remake(MODELS / "m", prepared, tmp_path, tmp_path)
    folder = tmp_path / "m"
    folder.mkdir()
    sidecar = json.loads((MODELS / "m" / "m.json").read_text())
    training = sidecar["training"]
    while training:
        training["photographs"] = len(open_dataset(prepared).rows[Split.TRAIN])
        training = training["started_from"]
    (folder / "m.json").write_text(json.dumps(sidecar))
    for teacher in ("t", "e", "e-tuned", "next-m"):
        (tmp_path / teacher).mkdir()
        (tmp_path / teacher / f"{teacher}.keras").touch()
    with pytest.raises(DataError, match=r"mobilenet_v1_0\.5_160_quant\.tflite: no such file"):
        remake.remake(folder, prepared, tmp_path / "out", tmp_path)
    (tmp_path / "mobilenet_v1_0.5_160_quant.tflite").touch()
    (tmp_path / "e" / "e.keras").unlink()
    with pytest.raises(DataError, match=r"e\.keras: no such file"):  # hours before that run's turn
        remake.remake(folder, prepared, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_model_is_its_own_teacher_as_the_run_before_left_it(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remake = load("remake_model")
    begun = Recipe(trunk="none", size=32, batch=4, epochs=1, full_size_epochs=0)
    data = open_dataset(prepared)
    first = {"recipe": asdict(begun), "data_sha256": data.sha256, "photographs": len(data.rows[Split.TRAIN])}
    recipe = replace(begun, start="x.keras", teachers=("t.keras", "x.keras"), teacher_tint=0.9)
    for name in ("x", "t"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.keras").touch()
    folder = tmp_path / "x"
    sidecar = {"training": first | {"recipe": asdict(recipe), "started_from": first}}
    (folder / "x.json").write_text(json.dumps(sidecar))
    recipes: list[Recipe] = []
    monkeypatch.setattr(remake, "train", lambda data, run, recipe, **_: recipes.append(recipe))
    last = remake.remake(folder, prepared, tmp_path / "runs", None)
    before = str(tmp_path / "runs" / "run-1" / "model.keras")
    assert recipes[0].teachers == ()
    assert recipes[1].start == before
    assert recipes[1].teachers == (str(tmp_path / "t" / "t.keras"), before)
    assert last == tmp_path / "runs" / "run-2"


@pytest.mark.slow
def test_a_released_model_is_slimmed_pruned_and_compared(tmp_path: Path, prepared: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for picture in sorted(CHECK_PICTURES.glob("*.jpg"))[:6]:
        shutil.copy(picture, photographs)
    script = load("compare_variants")
    rows = script.make_variants(
        MODELS / "s" / "s.keras",
        prepared,
        photographs,
        tmp_path / "out",
        tuning=TuneOptions(trials=1, size=32, batch=8, finish_epochs=0),
        pruning=PruneOptions(epochs=1, full_size_epochs=0, size=32, batch=8),
    )
    assert [row.name for row in rows] == ["released", "narrow", "sparse"]
    released, narrow, sparse = rows
    assert released.cost.mean == 0 and narrow.cost.mean != 0
    assert narrow.macs <= released.macs / 2
    assert sparse.macs == released.macs and sparse.compressed < 0.7 * released.compressed
    lines = script.table(rows).splitlines()
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| released | 99 M (100%) | 507 kB |")


def test_pinning_the_same_hash_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_model = load("ship_model")
    shipped = (ship_model.SHIPPED_FOLDER / "shipped.py").read_text("utf-8")
    (tmp_path / "shipped.py").write_text(shipped, "utf-8")
    monkeypatch.setattr(ship_model, "SHIPPED_FOLDER", tmp_path)
    ship_model.pin("s", SHIPPED["s"].sha256)
    assert (tmp_path / "shipped.py").read_text("utf-8") == shipped
    ship_model.pin("s", "0" * 64)
    assert f'"s": ShippedModel("s.tflite", "{"0" * 64}")' in (tmp_path / "shipped.py").read_text("utf-8")
