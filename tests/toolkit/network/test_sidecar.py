"""The sidecar: released files are read and written without a change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgecolor.network.sidecar import Sidecar, read_sidecar, write_sidecar
from edgecolor_runtime.errors import ModelFileError

MODELS = Path(__file__).parents[3] / "models"
RELEASED = sorted(path for path in MODELS.glob("*/*.json") if path.stem == path.parent.name)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_a_released_sidecar_is_written_as_it_was_read(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path)
    model = tmp_path / f"{path.stem}.keras"
    write_sidecar(model, read_sidecar(model))
    assert (tmp_path / path.name).read_text("utf-8").rstrip() == path.read_text("utf-8").rstrip()


def test_without_a_file_the_sidecar_is_empty(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path / "model.keras") == Sidecar()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "unreadable"),
        ("[1]", "expected a JSON object"),
        (json.dumps({"saturation": "much"}), "saturation is not a number"),
    ],
)
def test_a_broken_sidecar_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelFileError, match=message):
        read_sidecar(tmp_path / "model.keras")
