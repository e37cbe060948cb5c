"""`edgecolor inspect` shows what a file holds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecolor.cli import main
from edgecolor.tflite.graph import layer_of, read_tree
from edgecolor.tflite.inspection import inspect_file
from edgecolor.tflite.operators import TFLITE_RUNTIME_214
from edgecolor_runtime import pack, read_shipped
from edgecolor_runtime.models.shipped import SHIPPED, WEIGHTS_LICENSE

TINY = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"


def written(tree: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def changed(flatbuffer: bytes, change: Callable[[Any], None]) -> bytes:
    tree = read_tree(flatbuffer)
    change(tree)
    return written(tree)


def test_a_shipped_model_on_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "s"]) == 0
    captured = capsys.readouterr()
    model = read_shipped("s")
    assert model.info.calibration is not None
    lines = captured.out.splitlines()
    assert len(lines) <= 24 and captured.err == ""
    for text in (
        f"of network   {model.sha256}",
        f"sha256       {SHIPPED['s'].sha256}",
        f"model        s {model.info.version}, int8, alpha 0.25, saturation {model.info.saturation:g}",
        model.info.license,
        f"terms        {WEIGHTS_LICENSE}\n",
        model.info.created_by,
        model.info.calibration.manifest_sha256,
        "input        INT8 1 x 224 x 224 x 1, scale 0.00784314, zero point -1",
        "output       INT8 1 x 56 x 56 x 2, scale 0.0078125, zero point 0",
        f"{model.info.parameters:,} parameters",
    ):
        assert text in captured.out
    (row,) = (line.split() for line in lines if line.startswith("DEPTHWISE_CONV_2D"))
    assert row[3:] == ["yes", "yes"]


def test_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "s", "--layers"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("ab_conv "))
    assert "2 x 3 x 3 x 32" in row and "1.81" in row  # 56 x 56 x 2 outputs of 9 x 32 products


def test_json_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(TINY), "--json"]) == 0
    inspection = json.loads(capsys.readouterr().out)
    assert inspection["info"]["name"] == "tiny" and inspection["golden"] == 2
    assert (
        inspection["bytes"]
        == TINY.stat().st_size
        > inspection["flatbuffer_bytes"]
        > inspection["deflated_bytes"]
    )
    assert inspection["kernel_values"] == 9 * 8 + 9 * 8 * 2
    assert inspection["macs"] == sum(kernel["macs"] for kernel in inspection["kernels"])


def test_sparsity_counts_exact_zeros(tmp_path: Path) -> None:
    def prune(tree: Any) -> None:
        graph = tree.subgraphs[0]
        (last,) = (
            o for o in graph.operators if graph.tensors[o.outputs[0]].shape[-1] == 2 and len(o.inputs) > 1
        )
        buffer = tree.buffers[graph.tensors[last.inputs[1]].buffer]
        kernel = np.where(np.array(buffer.data) == 0, 1, buffer.data).astype(np.uint8)
        kernel[:36] = 0
        buffer.data = kernel

    (tmp_path / "pruned.tflite").write_bytes(changed(inspected(), prune))
    inspection = inspect_file(str(tmp_path / "pruned.tflite"))
    assert inspection.kernels[-1].zeros == 0.25 and 36 <= inspection.sparsity * 216 < 40


def inspected() -> bytes:
    from edgecolor_runtime import read

    return read(TINY).flatbuffer


def test_a_file_of_another_origin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(inspected())
    assert main(["inspect", str(foreign)]) == 0
    message = capsys.readouterr().out
    assert "metadata     none of edgecolor's" in message and "CONV_2D" in message and "model " not in message
    assert main(["inspect", str(foreign), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["info"] is None


def test_operators_of_newer_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def newer(tree: Any) -> None:
        codes = schema.BuiltinOperator
        for code in tree.operatorCodes:
            if code.builtinCode == codes.CONV_2D:
                code.version = TFLITE_RUNTIME_214["CONV_2D"] + 1
            if code.builtinCode == codes.TANH:
                code.builtinCode, code.deprecatedBuiltinCode = codes.SIGN, 127

    (tmp_path / "newer.tflite").write_bytes(changed(inspected(), newer))
    assert main(["inspect", str(tmp_path / "newer.tflite")]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert rows["CONV_2D"].split()[2:] == ["8", "no", "yes"]
    assert rows["SIGN"].endswith("no") and "not known" in rows["SIGN"]


def test_broken_files_are_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(TINY.read_bytes())
    data[1000] ^= 1
    for name, content in (("ours", bytes(data)), ("text", b"no model"), ("short", b"\x1c\0\0\0TFL3")):
        (tmp_path / name).write_bytes(content)
        assert main(["inspect", str(tmp_path / name)]) == 5, name
    assert main(["inspect", str(tmp_path / "absent.tflite")]) == 5
    captured = capsys.readouterr()
    assert captured.out == "" and "not the one that its metadata describes" in captured.err
    assert "not the name of a shipped model (m, s)" in captured.err


def test_without_the_schema_the_message_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgecolor.tflite import graph

    graph._schema.cache_clear()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    assert main(["inspect", "s"]) == 4
    assert "-m pip install 'ai-edge-litert>=2.1'" in capsys.readouterr().err


def test_float_layers_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = read_shipped("s")
    info = replace(model.info, float_layers=("fusion_16", "fusion_32"))
    (tmp_path / "repaired.tflite").write_bytes(pack(model.flatbuffer, info, model.golden))
    assert main(["inspect", str(tmp_path / "repaired.tflite")]) == 0
    assert "in float     fusion_16, fusion_32" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("fusion_1/conv1_relu_1/Relu6;fusion_1/conv1_1/convolution", "conv1_relu"),
        ("fusion_1/up_32_1/resize/ResizeBilinear", "up_32"),
        ("fusion/conv_dw_1/depthwise", "conv_dw_1"),
        ("Identity", "Identity"),
    ],
)
def test_layer_names(tensor: str, layer: str) -> None:
    assert layer_of(tensor) == layer


LOADS = """
import sys
from tflite_runtime.interpreter import Interpreter
for path in sys.argv[1:]:
    try:
        Interpreter(model_path=path)
        print("yes")
    except Exception as error:
        print("no" if "Didn't find op" in str(error) else "yes")
"""


def one_operator(name: str, version: int) -> bytes:
    tree, graph = schema.ModelT(), schema.SubGraphT()
    code, tensor, operator = schema.OperatorCodeT(), schema.TensorT(), schema.OperatorT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
    tensor.name, tensor.shape, tensor.type, tensor.buffer = "t", [1], schema.TensorType.FLOAT32, 0
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [0]
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [tensor], [operator], [0], [0]
    tree.version, tree.operatorCodes, tree.subgraphs, tree.buffers = 3, [code], [graph], [schema.BufferT()]
    return written(tree)


@pytest.mark.slow
def test_the_table_agrees_with_tflite_runtime(tflite_python: Path, tmp_path: Path) -> None:
    files = []
    for name, highest in TFLITE_RUNTIME_214.items():
        for version in (highest, highest + 1):
            files.append(tmp_path / f"{name}-{version}.tflite")
            files[-1].write_bytes(one_operator(name, version))
    done = subprocess.run([tflite_python, "-c", LOADS, *files], capture_output=True, text=True, check=True)
    loads = dict(zip((file.stem for file in files), done.stdout.split(), strict=True))
    wanted = {
        f"{n}-{v + more}": ("yes", "no")[more] for n, v in TFLITE_RUNTIME_214.items() for more in (0, 1)
    }
    assert loads == wanted
