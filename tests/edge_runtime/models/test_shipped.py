"""The models inside the package are pinned and intact, and reproduce their golden outputs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgecolor_runtime import SHIPPED, Colorizer, ModelFileError, open_model, read_shipped
from edgecolor_runtime.inference import interpreter
from edgecolor_runtime.inference.preprocess import to_real
from edgecolor_runtime.models.shipped import shipped_bytes
from edgecolor_runtime.models.signature import AB_SCALE

MODELS = Path(__file__).parents[3] / "models"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_reproduce_the_outputs_of_the_workstation(name: str) -> None:
    colorizer = Colorizer.shipped(name)
    golden, output = colorizer.model.golden, colorizer.interpreter.output
    exact = colorizer.interpreter.name.startswith("ai-edge-litert")
    for gray, exported, reference in zip(golden.gray, golden.exported, golden.reference, strict=True):
        ab = to_real(colorizer.predict_raw(gray), output) * AB_SCALE
        expected = to_real(exported, output) * AB_SCALE
        assert np.abs(ab - expected).max() <= (0 if exact else 4 * output.scale * AB_SCALE)
        # A tenth of the picture's own color; golden pictures are the warmest and the coldest of the check
        # set.
        true = reference * AB_SCALE
        assert np.abs(ab - true).mean() <= 0.1 * np.abs(true).mean()
    assert open_model(name).sha256 == read_shipped(name).sha256


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_file_equals_the_file_in_the_models_folder(name: str) -> None:
    exported = (MODELS / name / f"{name}_int8.tflite").read_bytes()
    assert hashlib.sha256(exported).hexdigest() == SHIPPED[name].sha256


def test_other_names_are_refused() -> None:
    with pytest.raises(ModelFileError, match="no shipped model is called nobody"):
        read_shipped("nobody")


def test_only_a_shipped_model_skips_the_check_of_its_graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checked: list[bytes] = []
    monkeypatch.setattr(interpreter, "verify_flatbuffer", checked.append)
    Colorizer.shipped("s")
    assert checked == []
    (tmp_path / "copy.tflite").write_bytes(shipped_bytes("s"))
    copy = Colorizer.open(tmp_path / "copy.tflite")
    assert checked == [copy.model.flatbuffer]
