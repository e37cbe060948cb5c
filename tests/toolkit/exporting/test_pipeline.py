"""`edgecolor export` as a command: its report, its refusals, and no partial files."""

from __future__ import annotations

import importlib.util
import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from edgecolor.cli import main
from edgecolor.data.calibration import read_calibration, read_check_set
from edgecolor.exporting import pipeline
from edgecolor.exporting.bias_correction import correct_model
from edgecolor.exporting.conversion import convert
from edgecolor.exporting.gates import measure_fidelity, verify_fidelity, verify_graph
from edgecolor.exporting.golden_vectors import choose_golden
from edgecolor.exporting.stages import Converted
from edgecolor.support.extras import install_extra
from edgecolor.tflite.graph import Graph, Operator, Tensor, read_graph
from edgecolor_runtime.errors import GateError, ModelFileError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.info import ExportFidelity, PhotographSet, Precision
from edgecolor_runtime.models.model_file import MAX_GOLDEN_BYTES, pack, read
from edgecolor_runtime.models.shipped import read_shipped

from ..signing_keys import make_key

ROOT = Path(__file__).parents[3]


def tiny(*, size: int | None = 224, out: int = 2) -> keras.Model:
    """Return a network of three layers with the signature of the fusion network, which converts faster."""
    keras.utils.set_random_seed(2)
    x = entry = layers.Input((size, size, 1))
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu6")(x)
    x = layers.Conv2D(out, 3, 2, padding="same")(x)
    return keras.Model(entry, layers.Activation("tanh")(x))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with tiny.keras, its sidecar, and 20 calibration pictures."""
    where = tmp_path_factory.mktemp("export")
    tiny(size=None).save(where / "tiny.keras")
    facts = {"name": "t", "saturation": 1.25, "licence": "Free for tests.", "training": {"epochs_done": 3}}
    (where / "tiny.json").write_text(json.dumps(facts), encoding="utf-8")
    (where / "pictures").mkdir()
    for picture in sorted((ROOT / "calibration").glob("*.jpg"))[:20]:
        shutil.copy(picture, where / "pictures")
    return where


@pytest.fixture(scope="module")
def converted(folder: Path, converting_here: Callable[[], AbstractContextManager[None]]) -> Converted:
    gray = read_calibration(folder / "pictures").gray
    with converting_here():
        return convert(folder / "tiny.keras", gray, Precision.INT8, halves=True)


@pytest.fixture
def at_once(converted: Converted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use one conversion for all tests that are not about the conversion."""
    monkeypatch.setattr(pipeline, "convert", lambda *_, **__: converted)


def with_check_reference(converted: Converted, factor: float) -> Converted:
    """Return the conversion of a network whose outputs for the check set are `factor` times as strong."""
    stronger = converted.source.check_reference * np.float32(factor)
    return replace(converted, source=replace(converted.source, check_reference=stronger))


def call(folder: Path, *words: str, model: str = "tiny.keras", out: str = "out.tflite") -> int:
    options = ["--calibration", str(folder / "pictures"), "-o", str(folder / out)]
    return main(["export", str(folder / model), *options, *words])


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.suffix in {".tflite", ".minisig", ".part"}]


@pytest.fixture(autouse=True)
def _clean(folder: Path) -> Iterator[None]:
    yield
    for name in leftovers(folder):
        (folder / name).unlink()


def test_a_network_of_any_size_becomes_a_static_int8_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, "--json", "--name", "mine") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    model = read(folder / "out.tflite")
    graph = read_graph(model.flatbuffer)
    assert (graph.inputs[0].shape, graph.inputs[0].dtype) == ((1, 224, 224, 1), "INT8")
    assert report["path"] == str(folder / "out.tflite")
    assert report["bytes"] == (folder / "out.tflite").stat().st_size
    assert report["operators"] == {"CONV_2D": 2, "TANH": 1}
    assert model.info.fidelity is not None and model.info.calibration is not None
    assert report["fidelity"]["ab_difference"] == model.info.fidelity.ab_difference < 1
    assert report["macs"] == 112 * 112 * 8 * 9 + 56 * 56 * 2 * 9 * 8
    assert report["calibration_sha256"] == read_calibration(folder / "pictures").sha256
    assert model.info.name == "mine"
    assert model.info.saturation == 1.25
    assert model.info.license == "Free for tests."
    assert model.info.training == {"epochs_done": 3}
    assert model.info.check == PhotographSet(read_check_set().sha256, 24)
    assert report["check_sha256"] == read_check_set().sha256
    assert report["fidelity"]["pictures"] == 24
    assert 0 < report["halves_ab_difference"] < 1
    assert report["float_layers"] == list(model.info.float_layers) == []
    assert "converted to int8" in captured.err
    assert "coverage of the calibration set unknown" in captured.err, "tiny.json has no histograms"
    assert report["coverage"] is model.info.calibration.coverage is None
    assert leftovers(folder) == ["out.tflite"]


@pytest.mark.usefixtures("at_once")
def test_a_signed_export_passes_its_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = make_key(folder, "workshop", b"workshop")
    assert call(folder, "--sign", str(key), "--json") == 0
    assert json.loads(capsys.readouterr().out)["signature"] == str(folder / "out.tflite.minisig")
    words = ["check", str(folder / "out.tflite"), "--trusted", str(key.with_suffix(".pub"))]
    assert main(words) == 0
    assert "signature    by the key" in capsys.readouterr().out
    assert call(folder, "--sign", str(key), "--force", "--saturation", "1.1") == 0
    assert capsys.readouterr().out.endswith(f"signature    {folder / 'out.tflite.minisig'}\n")
    assert main(words) == 0
    assert call(folder, "--force") == 0, "an export without --sign leaves an older signature"
    assert main(words) == 5


@pytest.mark.usefixtures("at_once")
def test_report_for_people_and_quiet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "--quiet", "--saturation", "1.1") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[0] == str(folder / "out.tflite")
    assert "mean difference" in captured.out
    assert read(folder / "out.tflite").info.saturation == 1.1
    assert read(folder / "out.tflite").info.name == "t"


@pytest.mark.usefixtures("at_once")
def test_an_existing_file_is_replaced_only_by_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out.tflite").write_text("precious")
    assert call(folder) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "out.tflite").read_text() == "precious"
    assert call(folder, "--force") == 0
    read(folder / "out.tflite")


@pytest.mark.usefixtures("at_once")
def test_a_write_that_fails_leaves_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # as a full disk: writing stops half-way
    try:
        code = call(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert "out.tflite: cannot be written" in capsys.readouterr().err
    assert leftovers(folder) == []


def test_an_impossible_output_is_reported_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "convert", None)  # not reached
    assert call(folder, out="tiny.keras/out.tflite") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert call(folder, out="pictures") == 2
    assert "is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--int8", "--float32"], "--int8 and --float32: choose one"),
        (["--name", "../evil"], "name '../evil'"),
        (["--saturation", "0"], "saturation 0"),
        (["--saturation", "nan"], "saturation nan"),
    ],
)
def test_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert call(folder, *words) == 2
    assert text in capsys.readouterr().err


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("words", [[], ["--int8"]])
def test_without_an_output_the_file_is_beside_the_network(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", *words, str(folder / "tiny.keras"), "--calibration", str(folder / "pictures")]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(folder / "tiny_int8.tflite")
    assert read(folder / "tiny_int8.tflite").info.name == "t"
    assert main(command) == 2
    assert "tiny_int8.tflite: exists already; use --force" in capsys.readouterr().err


def test_calibration_has_no_hidden_default(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(folder / "tiny.keras"), "-o", str(tmp_path / "out.tflite")]) == 2
    assert "--calibration" in capsys.readouterr().err


def test_a_changed_calibration_picture_stops_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "calibration", tmp_path / "calibration")
    with (tmp_path / "calibration" / "010.jpg").open("ab") as file:
        file.write(b"\0")
    monkeypatch.chdir(tmp_path)  # where ./calibration is the default
    assert main(["export", str(folder / "tiny.keras"), "-o", "out.tflite"]) == 1
    assert "010.jpg: changed" in capsys.readouterr().err
    assert not (tmp_path / "out.tflite").exists()


def test_without_tensorflow_the_message_says_what_to_install(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "tensorflow" else find(name, *a)
    )
    assert call(folder) == 4
    assert install_extra("train") in capsys.readouterr().err


def test_a_foreign_network_is_refused_with_its_shapes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny(out=3).save(folder / "foreign.keras")
    assert call(folder, model="foreign.keras") == 5
    message = capsys.readouterr().err
    assert "(56, 56, 3)" in message
    assert "(56, 56, 2)" in message
    assert leftovers(folder) == []


@pytest.mark.usefixtures("in_process")
def test_code_inside_a_keras_file_is_never_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = layers.Input((224, 224, 1))
    x = layers.Lambda(lambda t: t[:, ::4, ::4])(entry)
    x = layers.Concatenate()([x, x])
    keras.Model(entry, x).save(folder / "lambda.keras")
    assert call(folder, model="lambda.keras") == 5
    message = capsys.readouterr().err
    assert "lambda.keras" in message
    assert len(message.strip().splitlines()) == 3  # the pictures, the conversion, then one error
    assert leftovers(folder) == []


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_other_files_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    if content is not None:
        (folder / "broken.keras").write_bytes(content)
    assert call(folder, model="broken.keras") == 5
    assert "broken.keras" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_an_unreadable_sidecar(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    shutil.copy(folder / "tiny.keras", tmp_path)
    (tmp_path / "tiny.json").write_text(text)
    shutil.copytree(folder / "pictures", tmp_path / "pictures")
    assert call(tmp_path) == 5
    assert "tiny.json" in capsys.readouterr().err


def test_a_file_that_loses_color_is_not_written(
    folder: Path, converted: Converted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stronger = with_check_reference(converted, 1.2)
    monkeypatch.setattr(pipeline, "convert", lambda *_, **__: stronger)
    assert call(folder, "--no-repair") == 3
    assert "differs from the float network" in capsys.readouterr().err
    assert leftovers(folder) == []


@pytest.mark.usefixtures("in_process")
def test_a_file_that_no_allowed_repair_fixes_is_not_written(
    folder: Path, converted: Converted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halved colors are no quantization error. Therefore the real search finds no layer that helps."""
    paler = with_check_reference(converted, 2)
    monkeypatch.setattr(pipeline, "convert", lambda *_, **__: paler)
    assert call(folder) == 3
    message = capsys.readouterr().err
    assert "Looking for the layers that cost most" in message
    assert "Leaving 25% of its 3 layers in float does not fix this" in message
    assert leftovers(folder) == []


def test_bias_correction_removes_a_shift(folder: Path, converted: Converted) -> None:
    gray = read_calibration(folder / "pictures").gray
    shifted = np.tanh(np.arctanh(converted.source.reference) + np.array([0.05, -0.02], np.float32))
    before, corrected = converted.model, correct_model(converted.model, gray, shifted)
    left = (corrected.outputs(gray) - shifted).mean(axis=(0, 1, 2))
    assert np.abs(left).max() < 5e-4
    assert len(corrected.flatbuffer) == len(before.flatbuffer)
    changed = np.frombuffer(corrected.flatbuffer, np.uint8) != np.frombuffer(before.flatbuffer, np.uint8)
    assert 0 < changed.sum() <= 8, "two int32 biases and nothing else"


def tensor(dtype: str = "INT8", shape: tuple[int, ...] = (1, 4, 4, 8), scales: int = 1) -> Tensor:
    return Tensor("t", shape, dtype, (0.1,) * scales, 0, stored=True)


def graph(*operators: Operator) -> Graph:
    return Graph(operators, (tensor(shape=(1, 224, 224, 1)),), (tensor(shape=(1, 56, 56, 2)),))


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        (
            Operator("ADD", (tensor("FLOAT32"), tensor("FLOAT32")), (tensor("FLOAT32"),)),
            "ADD still compute in float",
        ),
        (Operator("TILE", (tensor(),), (tensor(),)), "does not map TILE"),
        (Operator("CUSTOM:Erf", (tensor(),), (tensor(),)), "does not map CUSTOM:Erf"),
        (
            Operator("CONV_2D", (tensor(), tensor(shape=(8, 1, 1, 8))), (tensor(),)),
            "not quantized per channel",
        ),
    ],
)
def test_operators_that_an_int8_file_must_not_have(operator: Operator, text: str) -> None:
    with pytest.raises(GateError, match=text):
        verify_graph(graph(operator), Precision.INT8, kernel_values=0)


def test_only_named_layers_may_stay_in_float() -> None:
    kept = Operator("ADD", (tensor("FLOAT32"),), (replace(tensor("FLOAT32"), name="fusion_1/sum_1/Add;x"),))
    casts = [Operator("DEQUANTIZE", (tensor(),), (tensor("FLOAT32"),))]
    casts.append(Operator("QUANTIZE", (tensor("FLOAT32"),), (tensor(),)))
    verify_graph(graph(kept, *casts), Precision.INT8, kernel_values=0, float_layers=("sum",))
    with pytest.raises(GateError, match="ADD still compute in float"):
        verify_graph(graph(kept, *casts), Precision.INT8, kernel_values=0, float_layers=("another",))
    with pytest.raises(GateError, match="still compute in float"):
        verify_graph(graph(*casts), Precision.INT8, kernel_values=0)


@pytest.mark.usefixtures("at_once")
def test_golden_vectors_are_of_the_check_set_and_not_of_the_users_pictures(
    folder: Path,
) -> None:
    private = {picture.tobytes() for picture in read_calibration(folder / "pictures").gray}
    public = {picture.tobytes() for picture in read_check_set().gray}
    assert call(folder) == 0
    golden = {picture.tobytes() for picture in read(folder / "out.tflite").golden.gray}
    assert golden <= public
    assert not golden & private


@pytest.mark.usefixtures("in_process")
def test_int16x8_keeps_float_inputs_and_outputs_and_runs_in_the_runtime(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, "--int16x8", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"] == "int16x8"
    assert report["fidelity"]["ab_difference"] < 0.5
    model = read(folder / "out.tflite")
    inside = read_graph(model.flatbuffer)
    assert {t.dtype for op in inside.operators if op.name == "CONV_2D" for t in op.outputs} == {"INT16"}
    assert inside.inputs[0].dtype == inside.outputs[0].dtype == "FLOAT32"
    raw = Colorizer(model).predict_raw(model.golden.gray[0])
    assert np.array_equal(raw, model.golden.exported[0])


def test_inputs_outputs_and_weights_are_checked(converted: Converted) -> None:
    inside, kernel_values = converted.model.graph, converted.source.kernel_values
    verify_graph(inside, Precision.INT8, kernel_values=kernel_values)
    with pytest.raises(GateError, match=f"of {kernel_values + 1} kernel weights"):
        verify_graph(inside, Precision.INT8, kernel_values=kernel_values + 1)
    with pytest.raises(GateError, match="input is INT8"):
        verify_graph(inside, Precision.FLOAT32, kernel_values=0)
    with pytest.raises(GateError, match="output is nothing"):
        verify_graph(replace(inside, outputs=()), Precision.INT8, kernel_values=0)


@pytest.mark.parametrize(
    ("difference", "ratio", "passes"),
    [
        (1.0, 0.97, True),
        (1.1, 1.0, False),
        (0.1, 0.96, False),
        (0.1, 1.04, False),
        (float("nan"), 1.0, False),
    ],
)
def test_the_fidelity_gate(difference: float, ratio: float, passes: bool) -> None:
    fidelity = ExportFidelity(20, difference, ratio)
    if passes:
        verify_fidelity(fidelity, Precision.INT8)
    else:
        with pytest.raises(GateError):
            verify_fidelity(fidelity, Precision.INT8)


def test_fidelity_is_in_lab_units() -> None:
    reference = np.full((2, 56, 56, 2), 0.3, np.float32)
    fidelity = measure_fidelity(reference * np.float32(0.9), reference)
    assert fidelity.ab_difference == pytest.approx(3.0, rel=1e-5)
    assert fidelity.chroma_ratio == pytest.approx(0.9, rel=1e-5)


def test_a_noisy_cameras_golden_vectors_still_fit(converted: Converted) -> None:
    random = np.random.default_rng(3)
    gray = random.integers(0, 256, (5, 224, 224), dtype=np.uint8)
    reference = random.uniform(-1, 1, (5, 56, 56, 2)).astype(np.float32)
    raw: Any = random.uniform(-1, 1, (5, 56, 56, 2)).astype(np.float32)
    golden = choose_golden(gray, reference, raw)
    assert len(golden.gray) == 1
    info = replace(read_shipped("s").info, precision=Precision.FLOAT32)
    packed = pack(converted.model.flatbuffer, info, golden)
    assert len(packed) < len(converted.model.flatbuffer) + MAX_GOLDEN_BYTES


@pytest.mark.parametrize("data", [b"", b"\x1c\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 100, b"PK" * 50])
def test_broken_flatbuffers(data: bytes) -> None:
    with pytest.raises(ModelFileError):
        read_graph(data)
