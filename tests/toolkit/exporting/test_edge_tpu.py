"""`edgecolor export --edgetpu` with a stand-in for Google's compiler: its calls, its log, and refusals."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import keras
import pytest

from edgecolor.cli import main
from edgecolor.exporting import edge_tpu
from edgecolor.exporting.edge_tpu import read_log, verify_compilable, weight_bytes
from edgecolor.tflite.graph import Graph, read_graph
from edgecolor_runtime.errors import EdgecolorError, GateError
from edgecolor_runtime.models.info import PhotographSet
from edgecolor_runtime.models.model_file import pack, read

ROOT = Path(__file__).parents[3]
INT8 = ROOT / "models" / "s" / "s_int8.tflite"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return an exported int8 model."""
    shipped = read(INT8)
    info = replace(shipped.info, check=PhotographSet("0" * 64, 24))
    (tmp_path / "s.tflite").write_bytes(pack(shipped.flatbuffer, info, shipped.golden))
    return tmp_path / "s.tflite"


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in first on the PATH."""
    program = tmp_path / "bin" / "edgetpu_compiler"
    program.parent.mkdir()
    code = (Path(__file__).with_name("edgetpu_compiler.py")).read_text("utf-8")
    program.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def call(model: Path, *words: str) -> int:
    return main(["export", str(model), "--edgetpu", "-o", str(model.with_name("out.tflite")), *words])


@pytest.mark.usefixtures("compiler")
def test_a_compiled_model_keeps_its_description_and_golden_vectors(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(model, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    before, after = read(model), read(model.with_name("out.tflite"))
    assert {op.name for op in read_graph(after.flatbuffer).operators} == {"CUSTOM:edgetpu-custom-op"}
    assert after.info.name == before.info.name
    assert after.info.input == before.info.input
    assert (after.golden.exported == before.golden.exported).all()
    total = sum(report["operators"].values())
    assert after.info.edgetpu is not None and asdict(after.info.edgetpu) == report["edgetpu"]
    assert report["edgetpu"]["mapped"] == report["edgetpu"]["operators"] == total > 50
    assert report["edgetpu"]["compiler"] == "16.0.384591198"
    assert report["edgetpu"]["on_chip"] == round(5.90 * 2**20)
    assert report["edgetpu"]["off_chip"] == 0


@pytest.mark.usefixtures("compiler", "in_process")
def test_a_network_is_exported_and_compiled_in_one_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = keras.layers.Input((224, 224, 1))
    x = keras.layers.Conv2D(2, 3, 4, padding="same")(entry)
    keras.Model(entry, keras.layers.Activation("tanh")(x)).save(tmp_path / "tiny.keras")
    (tmp_path / "pictures").mkdir()
    for picture in sorted((ROOT / "calibration").glob("*.jpg"))[:20]:
        shutil.copy(picture, tmp_path / "pictures")
    assert call(tmp_path / "tiny.keras", "--calibration", str(tmp_path / "pictures"), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    model = read(tmp_path / "out.tflite")
    assert report["edgetpu"]["mapped"] == 2
    assert model.info.edgetpu is not None and asdict(model.info.edgetpu) == report["edgetpu"]
    assert {op.name for op in read_graph(model.flatbuffer).operators} == {"CUSTOM:edgetpu-custom-op"}
    assert report["bytes"] == (tmp_path / "out.tflite").stat().st_size


@pytest.mark.usefixtures("compiler")
def test_running_a_compiled_model_without_its_delegate_names_the_delegate(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(model) == 0
    assert "mapped" in capsys.readouterr().out
    photo = shutil.copy(next((ROOT / "calibration").glob("*.jpg")), tmp_path / "p.jpg")
    assert main(["run", str(photo), "--model", str(model.with_name("out.tflite"))]) == 4
    assert "compiled for an Edge TPU; use --delegate edgetpu" in capsys.readouterr().err


@pytest.mark.usefixtures("compiler")
def test_operators_left_on_the_cpu_are_a_gate(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU", "partial")
    assert call(model) == 3
    message = capsys.readouterr().err
    assert "maps 59 of 63 operators" in message
    assert "TANH: More than one subgraph is not supported" in message
    assert not model.with_name("out.tflite").exists()
    assert call(model, "--min-mapped", "0.9", "--json") == 0
    assert json.loads(capsys.readouterr().out)["edgetpu"]["mapped"] == 59


@pytest.mark.usefixtures("compiler")
def test_weights_that_do_not_stay_on_the_chip_are_reported(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU", "streamed")
    assert call(model) == 0
    assert "0.04 MB sent with every picture" in capsys.readouterr().out


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("crash", "Internal compiler error. Aborting!"),
        ("old", "Didn't find op for builtin opcode 'CONV_2D' version '5'"),
        ("mute", "exit code 0 and no message"),
    ],
)
def test_the_message_of_a_failed_compiler_is_quoted(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, how: str, text: str
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU", how)
    assert call(model) == 1
    message = capsys.readouterr().err
    assert text in message
    assert len(message.strip().splitlines()) == 1
    assert not model.with_name("out.tflite").exists()


def test_without_the_compiler_the_message_says_how_to_install_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(model) == 4
    message = capsys.readouterr().err
    assert "sudo apt-get install edgetpu-compiler" in message
    assert "packages.cloud.google.com/apt coral-edgetpu-stable" in message
    assert "x86-64" in message
    assert "export with --int8" in message
    network = str(ROOT / "models" / "s" / "s.keras")
    words = ["--calibration", str(tmp_path), "-o", str(tmp_path / "x.tflite")]
    assert main(["export", network, "--edgetpu", *words]) == 4, "the message comes before the work"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--min-mapped", "1.5"], "expected a share from 0 to 1"),
        (["-o", "s.tflite", "--force"], "would replace the exported network"),
    ],
)
def test_wrong_usage(
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(model.parent)
    assert call(model, *words) == 2
    assert text in capsys.readouterr().err
    assert main(["export", str(model), "-o", "x.tflite", "--min-mapped", "1"]) == 2
    assert "add --edgetpu" in capsys.readouterr().err
    assert main(["export", str(model), "-o", "x.tflite", "--float16", "--edgetpu"]) == 2
    assert "remove --float16" in capsys.readouterr().err
    assert main(["export", str(model), "--calibration", ".", "-o", "x.tflite"]) == 5
    assert "already exported" in capsys.readouterr().err


def test_models_that_no_edge_tpu_can_run_are_refused_before_the_compiler(model: Path) -> None:
    graph = read_graph(read(model).flatbuffer)
    verify_compilable(graph)
    first = graph.operators[0]

    def with_first(**change: object) -> Graph:
        return replace(graph, operators=(replace(first, **change), *graph.operators[1:]))  # type: ignore[arg-type]

    with pytest.raises(GateError, match="needs fixed shapes"):
        verify_compilable(with_first(outputs=(replace(first.outputs[0], shape=(-1, 112, 112, 8)),)))
    with pytest.raises(GateError, match="does not map TILE"):
        verify_compilable(with_first(name="TILE"))
    with pytest.raises(GateError, match="cannot compute in float: CONV_2D"):
        verify_compilable(with_first(outputs=(replace(first.outputs[0], dtype="FLOAT32"),)))
    with pytest.raises(GateError, match="int8 inputs and outputs"):
        verify_compilable(replace(graph, inputs=(replace(graph.inputs[0], dtype="UINT8"),)))
    wide = replace(first.inputs[1], shape=(8, 1000, 1000, 1))
    with pytest.raises(GateError, match=r"about 9\.0 MiB of the Edge TPU's 8 MiB"):
        verify_compilable(with_first(inputs=(first.inputs[0], wide, *first.inputs[2:])))
    assert edge_tpu.EXECUTABLE_BYTES + weight_bytes(graph) < edge_tpu.ON_CHIP_BYTES / 5, "s fits well"


def test_a_log_of_another_form_is_an_error() -> None:
    with pytest.raises(EdgecolorError, match="no table of operators"):
        read_log("Edge TPU Compiler version 99\nAll is well.\n")
