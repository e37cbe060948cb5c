"""Model files that kill an interpreter: the commands end with a code of ours, and never hang."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor.support.child_process import ChildResult
from edgecolor.support.child_process import run_program as run_program_of_support
from edgecolor.tflite import trial
from edgecolor.tflite.graph import read_tree
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.flatbuffer import FOREIGN_LIMITS, verify_flatbuffer
from edgecolor_runtime.models.model_file import pack, read
from edgecolor_runtime.models.shipped import SHIPPED, read_shipped

TINY = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"

Change = Callable[[Any], None]


def changed(change: Change) -> bytes:
    """Return the flatbuffer of the model s after a change of its tree."""
    tree = read_tree(read_shipped("s").flatbuffer)
    change(tree)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def edit(values: Any, index: int, value: int) -> Any:
    """Return a copy of a read-only array with another value."""
    values = np.array(values)
    values[index] = value
    return values


def packed(tmp_path: Path, flatbuffer: bytes) -> Path:
    model = read_shipped("s")
    path = tmp_path / "hostile.tflite"
    path.write_bytes(pack(flatbuffer, model.info, model.golden))
    return path


def more_graphs(tree: Any) -> None:
    tree.subgraphs.append(tree.subgraphs[0])


def unknown_operator(tree: Any) -> None:
    tree.operatorCodes[0].builtinCode = 119  # WHILE
    tree.operatorCodes[0].deprecatedBuiltinCode = 119


def custom_operator(tree: Any) -> None:
    tree.operatorCodes[0].builtinCode = 32
    tree.operatorCodes[0].deprecatedBuiltinCode = 32
    tree.operatorCodes[0].customCode = b"TFLite_Detection_PostProcess"


def huge_tensor(tree: Any) -> None:
    output = tree.subgraphs[0].operators[3].outputs[0]
    tree.subgraphs[0].tensors[output].shape = np.array([1, 100_000, 100_000, 1], np.int32)


def missing_tensor(tree: Any) -> None:
    operator = tree.subgraphs[0].operators[5]
    operator.inputs = edit(operator.inputs, 0, 99_999)


def missing_buffer(tree: Any) -> None:
    tree.subgraphs[0].tensors[3].buffer = 70_000


def short_buffer(tree: Any) -> None:
    index = tree.subgraphs[0].operators[0].inputs[1]
    buffer = tree.buffers[tree.subgraphs[0].tensors[index].buffer]
    buffer.data = buffer.data[:-1]


def circle(tree: Any) -> None:
    operators = tree.subgraphs[0].operators
    operators[0].inputs = edit(operators[0].inputs, 0, operators[-1].outputs[0])


def open_shape(tree: Any) -> None:
    tensor = tree.subgraphs[0].tensors[tree.subgraphs[0].inputs[0]]
    tensor.shape = edit(tensor.shape, 1, -1)


def other_kernel(tree: Any) -> None:
    operators = tree.subgraphs[0].operators
    operators[0].inputs = edit(operators[0].inputs, 1, operators[0].inputs[2])


def outside_buffer(tree: Any) -> None:
    tree.buffers[2].offset = 1 << 40
    tree.buffers[2].size = 1 << 20


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (more_graphs, "2 subgraphs"),
        (unknown_operator, "does not know"),
        (custom_operator, "does not know"),
        (huge_tensor, "10000 MB|40000 MB"),
        (missing_tensor, "does not exist yet"),
        (missing_buffer, "does not have"),
        (short_buffer, "stored bytes"),
        (circle, "does not exist yet"),
        (open_shape, "not fixed"),
        (other_kernel, "cannot give the shape"),
        (outside_buffer, "outside of the flatbuffer"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_gate_refuses(
    change: Change, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flatbuffer = changed(change)
    with pytest.raises(ModelFileError, match=why):
        verify_flatbuffer(flatbuffer)
    path = packed(tmp_path, flatbuffer)
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").save(photo)
    assert main(["run", "--model", str(path), str(photo)]) == 5
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and str(path) in err


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_gate_accepts_shipped_models_quickly(name: str) -> None:
    flatbuffer = read_shipped(name).flatbuffer
    seconds = []
    for _ in range(5):
        begun = time.process_time()
        verify_flatbuffer(flatbuffer)
        seconds.append(time.process_time() - begun)
    assert min(seconds) < 0.05


def test_inspect_has_limits_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    custom = changed(custom_operator)
    verify_flatbuffer(custom, FOREIGN_LIMITS)
    (tmp_path / "custom.tflite").write_bytes(custom)
    assert main(["inspect", str(tmp_path / "custom.tflite")]) == 0
    assert "CUSTOM:TFLite_Detection_PostProcess" in capsys.readouterr().out
    (tmp_path / "huge.tflite").write_bytes(changed(huge_tensor))
    assert main(["inspect", str(tmp_path / "huge.tflite")]) == 5
    out, err = capsys.readouterr()
    assert out == "" and "huge.tflite: cannot load this model" in err


def test_a_file_of_another_origin_is_described_and_never_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench` measures whole frames, which need a network of edgecolor: no interpreter sees another file."""
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(read(TINY).flatbuffer)
    assert main(["inspect", str(foreign)]) == 0
    assert "none of edgecolor's; `edgecolor run` and `check` refuse this file" in capsys.readouterr().out
    trial._try_file.cache_clear()
    assert main(["bench", str(foreign)]) == 5
    out, err = capsys.readouterr()
    assert out == "" and f"{foreign}: no intact edgecolor metadata" in err and err.count("\n") == 1


CRASH = "import os; os.abort()"
LOOP = "while True: pass"


@pytest.mark.parametrize("command", ["run", "check", "evaluate", "bench", "demo"])
@pytest.mark.parametrize(
    ("child", "why"), [(CRASH, "it crashed"), (LOOP, "it did not end within 2 s")], ids=["crash", "loop"]
)
def test_a_crash_of_the_interpreter_ends_a_child(
    command: str,
    child: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:

    def run_program(words: list[Any], *, time_limit: float) -> ChildResult:
        assert words[1:3] == ["-m", "edgecolor.tflite.trial"]
        return run_program_of_support([sys.executable, "-c", child], time_limit=2)

    monkeypatch.setattr(trial, "run_program", run_program)
    trial._try_file.cache_clear()
    copy = tmp_path / "elsewhere.tflite"
    copy.write_bytes(TINY.read_bytes())
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").save(photo)
    words = {
        "run": ["run", "--model", str(copy), str(photo)],
        "check": ["check", str(copy)],
        "evaluate": ["evaluate", str(copy), str(tmp_path)],
        "bench": ["bench", str(copy)],
        "demo": ["demo", "--model", str(copy)],
    }[command]
    assert main(words) == 5
    err = capsys.readouterr().err
    assert f"{copy}: the interpreter crashed on this file: {why}" in err and len(err.splitlines()) == 1


def test_the_child_of_a_good_model(tmp_path: Path) -> None:
    trial._try_file.cache_clear()
    trial.try_model(TINY)
    assert trial._try_file.cache_info().misses == 1
    trial.try_model(TINY)
    trial.try_model("s")
    assert trial._try_file.cache_info().misses == 1


def test_mutants_raise_only_our_error() -> None:
    """The gate raises no other error on mutants of a model file; scripts/fuzz.py tries many more."""
    good, chance = read(TINY).flatbuffer, np.random.default_rng(1)
    accepted = 0
    for _ in range(300):
        mutant = bytearray(good)
        for _ in range(chance.integers(1, 5)):
            at = int(chance.integers(0, len(mutant) - 4))
            mutant[at : at + 4] = struct.pack("<I", int(chance.choice([0, 1, 7, 255, 2**31 - 1, 2**32 - 1])))
        try:
            verify_flatbuffer(bytes(mutant))
            accepted += 1
        except ModelFileError:
            pass
    assert 0 < accepted < 300
