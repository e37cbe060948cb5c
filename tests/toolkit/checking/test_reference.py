"""`edgecolor check --reference`: an exported file against the network that it was made from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from edgecolor.checking import reference
from edgecolor.checking.layer_errors import measure_layer_errors
from edgecolor.cli import main
from edgecolor.data.calibration import read_calibration
from edgecolor.evaluation.predictor import FloatReference
from edgecolor.evaluation.scores import Difference, Fidelity, PairedGains
from edgecolor.exporting import pipeline
from edgecolor.exporting.conversion import convert
from edgecolor.exporting.stages import Converted
from edgecolor.network.float_network import FloatNetwork
from edgecolor.network.keras_file import load_network
from edgecolor_runtime import pack, read
from edgecolor_runtime.models.info import Precision

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only there")

ROOT = Path(__file__).parents[3]
Flip = Callable[[bytes, str, int, int, int], bytes]


def small(seed: int) -> keras.Model:
    """Return a network of four layers with the signature of the fusion network, which converts in seconds."""
    keras.utils.set_random_seed(seed)
    x = entry = layers.Input((224, 224, 1))
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu6", name="first")(x)
    y = layers.Conv2D(8, 3, 2, padding="same", activation="relu6", name="left")(x)
    z = layers.Conv2D(8, 1, 2, padding="same", name="right")(x)
    x = layers.ReLU(6.0, name="both_relu")(layers.Add(name="both")([y, z]))
    x = layers.Conv2D(2, 3, padding="same", name="last")(x)
    return keras.Model(entry, layers.Activation("tanh", name="ab")(x), name="small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two networks, calibration pictures and photographs."""
    where = tmp_path_factory.mktemp("check")
    small(2).save(where / "small.keras")
    small(3).save(where / "other.keras")
    pictures = sorted((ROOT / "calibration").glob("*.jpg"))
    for name, chosen in (("pictures", pictures[:20]), ("photographs", pictures[20:23])):
        (where / name).mkdir()
        for picture in chosen:
            shutil.copy(picture, where / name)
    return where


@pytest.fixture(scope="module")
def remade(folder: Path, converting_here: Callable[[], AbstractContextManager[None]]) -> Converted:
    """Return the conversion of small.keras; small.tflite is exported from it without a second conversion."""
    with converting_here():
        gray = read_calibration(folder / "pictures").gray
        converted = convert(folder / "small.keras", gray, Precision.INT8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "convert", lambda *_, **__: converted)
        assert save(folder) == 0
    return converted


def save(folder: Path, precision: str = "int8", name: str = "small.tflite") -> int:
    words = ["--calibration", str(folder / "pictures"), "-q", "-o", str(folder / name)]
    return main(["export", str(folder / "small.keras"), f"--{precision}", *words])


@pytest.fixture
def at_once(remade: Converted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use one conversion for all tests that are not about the conversion."""
    monkeypatch.setattr(reference, "convert", lambda *_, **__: remade)


def call(folder: Path, *words: str, file: str = "small.tflite", reference: str = "small.keras") -> int:
    options = ["--calibration", str(folder / "pictures"), "--data", str(folder / "photographs")]
    return main(["check", str(folder / file), "--reference", str(folder / reference), *options, *words])


def wrong(folder: Path, change: Callable[[bytes], bytes], **info: Any) -> str:
    model = read(folder / "small.tflite")
    data = pack(change(model.flatbuffer), replace(model.info, **info), model.golden)
    (folder / "wrong.tflite").write_bytes(data)
    return "wrong.tflite"


@pytest.mark.usefixtures("remade")
def test_an_export_is_that_of_its_reference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "--json", "--layers") == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)["reference"]
    assert result["passed"] and result["deviations"] == [] and result["failures"] == []
    assert result["photographs"] == 3 and result["device"] == "CPU:0" and result["gpu_against_cpu"] is None
    assert result["golden"] < 1e-3
    color = result["color"]
    assert color["reference"] == "small.keras" and 0 < color["ab_difference"] < 1
    assert 0 < color["ciede2000"] < 1.5 and set(color["paired"]) == {"g56", "g83", "gain"}
    names = [e["layer"] for e in json.loads(captured.out)["layers"]]
    assert names[0] == "first" and names[-1] == "ab" and {"both_relu", "last"} <= set(names)
    assert "making the int8 export again with 20 calibration pictures" in captured.err


@pytest.mark.usefixtures("at_once")
def test_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "--quiet", "--layers") == 0
    captured = capsys.readouterr()
    assert "every stored value is that of the export made again" in captured.out
    assert "between the finished pictures" in captured.out and " dB" in captured.out.splitlines()[-1]
    assert "coloring" not in captured.err


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("layer", "of", "text"),
    [("left", 1, "1 of 576 values of left"), ("last", 2, "1 of 2 values of last")],
)
def test_one_low_bit_is_named_with_its_layer(
    folder: Path, flip: Flip, layer: str, of: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = wrong(folder, lambda flatbuffer: flip(flatbuffer, layer, of, 4, 0))
    assert call(folder, file=file) == 3
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"Weights differ: layer {layer}: {text}" in message and "expected" in message
    assert "was made by" not in message


@pytest.mark.usefixtures("at_once")
def test_other_versions_are_named_if_weights_differ(
    folder: Path, flip: Flip, capsys: pytest.CaptureFixture[str]
) -> None:
    by = "edgecolor 0.1.0, tensorflow 2.99.0, keras 4.0.0"
    assert call(folder, file=wrong(folder, bytes, created_by=by)) == 0
    file = wrong(folder, lambda flatbuffer: flip(flatbuffer, "first", 1, 0, 0), created_by=by)
    assert call(folder, file=file) == 3
    assert f"The file was made by {by}; this machine has edgecolor" in capsys.readouterr().err


@pytest.mark.usefixtures("remade", "in_process")
def test_another_network_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, reference="other.keras") == 3
    message = capsys.readouterr().err.splitlines()[-1]
    assert (
        "layer first: " in message
        and "golden vectors'" in message
        and "differs from the float network" in message
    )


@pytest.mark.usefixtures("remade")
def test_another_calibration_set_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "convert", None)  # not reached
    calibration = read(folder / "small.tflite").info.calibration
    assert calibration is not None
    words = ["check", str(folder / "small.tflite"), "--reference", str(folder / "small.keras")]
    assert main([*words, "--calibration", str(ROOT / "calibration")]) == 1
    assert calibration.manifest_sha256 in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert "--calibration" in capsys.readouterr().err
    silent = wrong(folder, bytes, calibration=None)
    assert call(folder, file=silent) == 1
    assert "does not say which pictures" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic"])
def test_every_precision_can_be_checked(
    folder: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert save(folder, precision, f"{precision}.tflite") == 0
    capsys.readouterr()
    assert call(folder, "--json", file=f"{precision}.tflite") == 0
    assert json.loads(capsys.readouterr().out)["reference"]["deviations"] == []


def test_the_gate_of_g56() -> None:
    def failures(mean: float) -> list[str]:
        paired = PairedGains(Difference(mean, 0.01), None, None)
        color = Fidelity("r", 0.1, 0.2, "p", 1.0, 0.1, 1.0, paired)
        return reference._color_failures(color, 24, Precision.INT8)

    assert failures(-0.04) == failures(0.2) == []
    assert failures(-0.06) == ["G56 is 0.060 dB below the float network's (limit: 0.05)."]
    assert failures(float("nan")) != []


@pytest.mark.usefixtures("at_once")
def test_a_gpu_with_other_outputs_fails(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Second(FloatReference):
        def output(self, grays: Any) -> Any:
            return super().output(grays) + np.float32(0.002 if self.device == "CPU:0" else 0)

    monkeypatch.setattr(reference, "devices", lambda: ["CPU:0", "CPU:0"])
    assert call(folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["reference"]["gpu_against_cpu"] == 0
    monkeypatch.setattr(reference, "FloatReference", Second)
    monkeypatch.setattr(reference, "devices", lambda: ["/CPU:0", "CPU:0"])
    assert call(folder) == 3
    message = "The float network differs from the CPU's by up to 0.002 (limit: 0.001)."
    assert message in capsys.readouterr().err


ON_TWO = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from edgecolor.checking import reference
from edgecolor.cli import main
reference.devices = lambda: ["CPU:1", "CPU:0"]
code = main(sys.argv[1:])
assert tf.config.experimental.tensor_float_32_execution_enabled(), "TF32 is off only while the network runs"
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("remade")
def test_on_a_second_device(folder: Path) -> None:
    """Compare two CPU devices in place of a GPU and the CPU."""
    words = ["check", str(folder / "small.tflite"), "--reference", str(folder / "small.keras"), "--json"]
    words += ["--calibration", str(folder / "pictures"), "--data", str(folder / "photographs")]
    done = subprocess.run([sys.executable, "-c", ON_TWO, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["reference"]
    assert result["device"] == "CPU:1" and result["gpu_against_cpu"] < 1e-5


def test_layer_errors_show_the_layer(folder: Path, remade: Converted) -> None:
    gray = read_calibration(folder / "pictures").gray[:3]
    network = FloatNetwork(load_network(folder / "small.keras"))
    right = measure_layer_errors(remade.model.flatbuffer, network, gray)
    assert [e.layer for e in right][-2:] == ["last", "ab"] and min(e.snr for e in right) > 25
    kernel, bias = network.network.get_layer("left").get_weights()
    network.network.get_layer("left").set_weights([kernel * 1.5, bias])
    wrong = {e.layer: e.snr for e in measure_layer_errors(remade.model.flatbuffer, network, gray)}
    assert wrong["first"] > 25 and wrong["right"] > 25
    assert wrong["left"] < 12 and wrong["ab"] < 20
