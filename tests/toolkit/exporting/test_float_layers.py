"""Repair of an int8 file that misses its gate: the fewest layers stay in float, and they are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from edgecolor.cli import main
from edgecolor.data.calibration import read_calibration
from edgecolor.exporting.bias_correction import correct
from edgecolor.exporting.conversion import convert
from edgecolor.exporting.float_layers import fewest_float_layers
from edgecolor.tflite.graph import read_graph
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.models.model_file import read

ROOT = Path(__file__).parents[3]
NAMES = [f"layer_{i}" for i in range(16)]


def search(needed: set[str], costs: dict[str, float]) -> tuple[tuple[str, ...], int]:
    """Run the search for a network where exactly these layers must be in float; return it with its tries."""
    tries = 0

    def suffices(float_layers: Iterable[str]) -> bool:
        nonlocal tries
        tries += 1
        return needed <= set(float_layers)

    def cost(float_layers: Iterable[str]) -> float:
        (alone,) = set(NAMES) - set(float_layers)
        return costs.get(alone, 0.0)

    return fewest_float_layers(NAMES, cost, suffices), tries


def test_the_fewest_layers_are_kept_in_the_order_of_the_network() -> None:
    chosen, _ = search({"layer_9", "layer_2"}, {"layer_9": 3.0, "layer_5": 2.0, "layer_2": 1.0})
    assert chosen == ("layer_2", "layer_9"), "layer_5 costs more than layer_2 and is not needed"


def test_one_layer_is_found_at_once() -> None:
    assert search({"layer_7"}, {"layer_7": 1.0}) == (("layer_7",), 1)


def test_the_search_ends_at_a_quarter_of_the_layers() -> None:
    costs = {name: float(i) for i, name in enumerate(NAMES)}
    assert search(set(NAMES[11:]), costs) == ((), 4)
    assert search(set(NAMES[12:]), costs)[0] == tuple(NAMES[12:])


def exploding() -> keras.Model:
    """Return eight layers, one of which drives a channel so low that int8 loses the other channels.

    The activation after the sum sets that channel to 0, which hides it from the float network.
    """
    keras.utils.set_random_seed(3)
    entry = layers.Input((224, 224, 1))
    x = layers.Conv2D(8, 3, 4, padding="same", activation="relu6", name="first")(entry)
    for i in range(4):
        x = layers.Conv2D(8, 3, padding="same", activation="relu6", name=f"middle_{i}")(x)
    spoilt = layers.Conv2D(8, 1, name="spoilt")(x)
    x = layers.ReLU(6.0, name="sum_relu")(layers.Add(name="sum")([spoilt, x]))
    x = layers.Conv2D(2, 3, padding="same", name="ab_conv")(x)
    network = keras.Model(entry, layers.Activation("tanh", name="ab")(x), name="exploding")
    network.get_layer("spoilt").bias.assign([-3000.0] + 7 * [0.1])
    return network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repair") / "exploding.keras"
    exploding().save(path)
    pictures = path.with_name("pictures")
    pictures.mkdir()
    for picture in sorted((ROOT / "calibration").glob("*.jpg"))[:20]:
        shutil.copy(picture, pictures)
    return path


def export(model: Path, out: Path, *words: str) -> int:
    options = ["--calibration", str(model.with_name("pictures")), "-o", str(out)]
    return main(["export", str(model), *options, *words])


@pytest.mark.usefixtures("in_process")
def test_the_two_layers_that_meet_at_the_sum_are_left_in_float(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(network, tmp_path / "out.tflite", "--json") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    model = read(tmp_path / "out.tflite")
    assert set(report["float_layers"]) == {"spoilt", "sum_relu"}
    assert list(model.info.float_layers) == report["float_layers"]
    assert "left in float: spoilt, sum_relu, 2 of" in captured.err
    assert report["time_ratio"] > 0
    graph = read_graph(model.flatbuffer)
    assert graph.inputs[0].dtype == graph.outputs[0].dtype == "INT8"
    floats = {op.last_layer for op in graph.operators if op.has_float and "QUANTIZE" not in op.name}
    assert floats == {"spoilt", "sum_relu"}
    assert report["fidelity"]["ab_difference"] < 1


@pytest.mark.slow
def test_the_released_network_with_one_channel_driven_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = keras.models.load_model(ROOT / "models" / "s" / "s.keras", compile=False)
    beta = model.get_layer("fusion_16_bn").beta
    beta.assign(np.where(np.arange(beta.shape[0]) == 3, -1000, beta.numpy()))
    model.save(tmp_path / "s.keras")
    (tmp_path / "pictures").symlink_to(ROOT / "calibration")
    assert export(tmp_path / "s.keras", tmp_path / "out.tflite", "--no-repair") == 3
    assert "differs from the float network" in capsys.readouterr().err
    assert not (tmp_path / "out.tflite").exists()
    assert export(tmp_path / "s.keras", tmp_path / "out.tflite", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["float_layers"]) == {"fusion_16_bn", "fuse_16_relu"}
    assert report["fidelity"]["ab_difference"] < 0.8
    # The description in the file is enough to make the file again.
    gray = read_calibration(ROOT / "calibration").gray
    model_file = read(tmp_path / "out.tflite")
    float_layers = model_file.info.float_layers
    again = convert(tmp_path / "s.keras", gray, Precision.INT8, float_layers=float_layers)
    assert correct(again, gray).model.flatbuffer == model_file.flatbuffer
