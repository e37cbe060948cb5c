"""`edgecolor check` without a reference: what a device can verify about a model file."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecolor.cli import main
from edgecolor.support.extras import install_extra
from edgecolor_runtime import Golden, ModelInfo, load_interpreter, pack, read_shipped
from edgecolor_runtime.inference import colorizer
from edgecolor_runtime.models.shipped import SHIPPED

Flip = Callable[[bytes, str, int, int, int], bytes]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_pass(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name, "--threads", "2"]) == 0
    captured = capsys.readouterr()
    assert f"{name}: {name} " in captured.out and "intact" in captured.out and captured.err == ""
    assert read_shipped(name).sha256 in captured.out
    for row in ("mean", "p99.9", "largest"):
        assert row in captured.out
    assert "FAILS" not in captured.out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "s", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["name"], report["precision"], report["threads"]) == ("s", "int8", 1)
    golden = report["golden"]
    assert golden["passed"] and golden["pictures"] == 2 and golden["delegate"] is None
    assert golden["interpreter"].startswith(("ai-edge-litert ", "tflite-runtime "))
    assert set(golden["limits"]) == {"mean", "p999", "maximum"}


def test_a_broken_file_is_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(pack(*_parts()))
    data[5000] ^= 1
    (tmp_path / "broken.tflite").write_bytes(data)
    assert main(["check", str(tmp_path / "broken.tflite")]) == 5
    assert main(["check", str(tmp_path / "absent.tflite")]) == 5
    captured = capsys.readouterr()
    assert captured.out == "" and "not the one that its metadata describes" in captured.err


def test_a_wrong_weight_with_matching_hashes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flip: Flip
) -> None:
    flatbuffer, info, golden = _parts()
    (tmp_path / "wrong.tflite").write_bytes(pack(flip(flatbuffer, "conv1", 1, 4, 6), info, golden))
    assert main(["check", str(tmp_path / "wrong.tflite"), "--json"]) == 3
    captured = capsys.readouterr()
    assert not json.loads(captured.out)["golden"]["passed"]
    assert "does not reproduce the exported outputs" in captured.err and len(captured.err.splitlines()) == 1


def test_changed_golden_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flatbuffer, info, golden = _parts()
    changed = replace(golden, exported=np.clip(golden.exported, -100, 90) + np.int8(17))
    (tmp_path / "changed.tflite").write_bytes(pack(flatbuffer, info, changed))
    assert main(["check", str(tmp_path / "changed.tflite")]) == 3
    captured = capsys.readouterr()
    assert captured.out.count("FAILS") == 3 and "differ by 17 steps in the mean" in captured.err


def test_an_interpreter_that_returns_garbage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Garbage:
        def __init__(self, inside: Any) -> None:
            self.name, self.input, self.output = inside.name, inside.input, inside.output
            self._random = np.random.default_rng(1)

        def __call__(self, x: Any) -> Any:
            return self._random.integers(-128, 128, self.output.shape).astype(np.int8)

    monkeypatch.setattr(colorizer, "load_interpreter", lambda *a, **k: Garbage(load_interpreter(*a, **k)))
    assert main(["check", "s"]) == 3
    assert "Try another version of the interpreter" in capsys.readouterr().err


def test_a_delegate_that_is_not_there_is_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "s", "--delegate", "/nowhere/libdelegate.so"]) == 4
    assert "delegate /nowhere/libdelegate.so" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--layers"], ["--data", "."], ["--calibration", "."]])
def test_comparisons_need_the_network(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "s", *words]) == 2
    assert "--reference" in capsys.readouterr().err


def test_a_reference_without_tensorflow_names_the_pip_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "tensorflow" else find(name, *a)
    )
    assert main(["check", "s", "--reference", "models/s/s.keras"]) == 4
    assert install_extra("train") in capsys.readouterr().err


def _parts() -> tuple[bytes, ModelInfo, Golden]:
    model = read_shipped("s")
    return model.flatbuffer, model.info, model.golden
