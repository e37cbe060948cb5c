"""scripts/measure_model.py: from a model folder to its measurements, sheet and card."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from edgecolor.evaluation.predictor import Predictor, open_predictor
from edgecolor_runtime.errors import DataError

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_model", ROOT / "scripts" / "measure_model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(script: ModuleType, tmp_path: Path) -> Path:
    where = tmp_path / "tiny"
    where.mkdir()
    (where / "tiny_int8.tflite").write_bytes(TINY.read_bytes())
    (where / "tiny.keras").write_bytes(b"in the test its place is taken by the exported file")
    card = f"# Tiny\n\nBefore.\n\n{script.START}\n\nold\n\n{script.END}\n\nAfter.\n"
    (where / "README.md").write_text(card)
    return where


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    where = tmp_path / "photographs"
    where.mkdir()
    for name in ("001.jpg", "002.jpg", "003.jpg"):
        (where / name).write_bytes((ROOT / "calibration" / name).read_bytes())
    return where


def test_measuring_writes_measurements_sheet_and_card(
    script: ModuleType, folder: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_names: list[str] = []

    def opened(model: str) -> Predictor:
        opened_names.append(Path(model).name)
        return open_predictor(str(TINY))

    monkeypatch.setattr(script, "open_predictor", opened)
    script.measure(folder, photographs, "00[12].jpg")
    assert opened_names == ["tiny_int8.tflite", "tiny.keras"]
    facts = json.loads((folder / "measurements.json").read_text())
    assert facts["data"]["photographs"] == 3
    assert facts["fidelity"]["reference"] == "tiny.keras"
    assert facts["files"]["tiny_int8.tflite"]["bytes"] == TINY.stat().st_size
    assert str(folder.parent) not in json.dumps(facts), "measurements are published: no path of this machine"
    with Image.open(folder / "sheet.jpg") as sheet:
        assert sheet.height < 300, "two photographs, side by side"

    script.write_card(folder)
    card = (folder / "README.md").read_text()
    assert card.startswith("# Tiny\n\nBefore.\n\n") and card.endswith("\n\nAfter.\n")
    assert "old" not in card
    assert f"{facts['plane']['gain']:+.2f} dB at {facts['plane']['share']:.0%}" in card
    assert "| int8 against float: ab at 56 x 56 | 0.00 Lab units |" in card
    script.write_card(folder)
    assert (folder / "README.md").read_text() == card, "writing it again changes nothing"


def test_a_card_without_its_markers_is_left_alone(script: ModuleType, folder: Path) -> None:
    (folder / "measurements.json").write_text("{}")
    (folder / "README.md").write_text("# Tiny\n")
    with pytest.raises(DataError, match="needs the lines"):
        script.write_card(folder)
    assert (folder / "README.md").read_text() == "# Tiny\n"


def test_what_is_missing_is_named(script: ModuleType, folder: Path, photographs: Path) -> None:
    with pytest.raises(DataError, match=r"measurements\.json: no such file"):
        script.write_card(folder)
    (folder / "tiny.keras").unlink()
    with pytest.raises(DataError, match=r"needs one \*\.keras; found none"):
        script.measure(folder, photographs, None)


@pytest.mark.parametrize("measurements", sorted((ROOT / "models").glob("*/measurements.json")), ids=str)
def test_published_cards_are_up_to_date(script: ModuleType, measurements: Path, tmp_path: Path) -> None:
    card = measurements.with_name("README.md")
    for path in (measurements, card):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    script.write_card(tmp_path)
    assert (tmp_path / card.name).read_text() == card.read_text(), (
        f"python scripts/measure_model.py {card.parent}"
    )
    for name, file in json.loads(measurements.read_text())["files"].items():
        data = measurements.with_name(name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"], f"{name} was measured before it changed"
