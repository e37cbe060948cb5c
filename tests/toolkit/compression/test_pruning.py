"""`edgecolor prune` from outside: its zeros, its report, its refusals, and a kill in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.cli import main
from edgecolor.compression.keras2 import (
    add_magnitude_pruning,
    copy_weights_back,
    pruning_callback,
    to_keras2,
)
from edgecolor.compression.pruning import PruneOptions, count_zeros, is_prunable, overall_sparsity, prune
from edgecolor.network.fusion import build_network
from edgecolor.network.keras_file import load_network
from edgecolor_runtime.errors import UsageError

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "s" / "s.keras"
SMALL = PruneOptions(epochs=2, size=32, batch=8)

# What `prune` does, in a process that can be killed.
PRUNE = """
import sys
from pathlib import Path
from edgecolor import PruneOptions, prune
model, data, output = map(Path, sys.argv[1:])
options = PruneOptions(epochs=2, size=32, batch=8)
prune(model, data, output, options, on_progress=lambda line: print(line, flush=True))
"""


@pytest.fixture(scope="module")
def run(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, the last one at full size, that nothing interrupted."""
    folder = tmp_path_factory.mktemp("pruned") / "run"
    prune(MODEL, prepared, folder, SMALL)
    return folder


def test_every_prunable_kernel_has_its_share_of_zeros_and_no_other_kernel_has_any(run: Path) -> None:
    network = load_network(run / "model.keras")
    for kernel in count_zeros(network):
        share = kernel.zeros / kernel.weights
        assert share == pytest.approx(0.7 if kernel.prunable else 0.0, abs=1 / kernel.weights + 1e-3), kernel
    depthwise = network.get_layer("conv_dw_13")
    assert int(np.prod(depthwise.kernel.shape)) > 1000 and not is_prunable(depthwise)
    sidecar = json.loads((run / "model.json").read_text())
    assert sidecar["pruning"]["sparsity_reached"] == pytest.approx(0.7, abs=0.001)
    assert sidecar["training"] == json.loads(MODEL.with_suffix(".json").read_text())["training"]
    assert sidecar["saturation"] > 0


def has_two_zeros_in_every_four(layer: keras.layers.Layer) -> bool:
    kernel = np.asarray(layer.kernel)[0, 0]  # (inputs, outputs)
    zeros = (kernel.T.reshape(-1, 4) == 0).sum(axis=1)
    return bool((zeros >= 2).all())


def test_two_zeros_in_every_four_weights() -> None:
    keras.utils.set_random_seed(3)
    pixels = keras.Input((4, 4, 64))
    x = keras.layers.Conv2D(32, 1, use_bias=False, name="first")(pixels)
    network = keras.Model(pixels, keras.layers.Conv2D(32, 1, use_bias=False, name="second")(x))
    wrap = add_magnitude_pruning(lambda name: True, sparsity=0.5, two_four=True, steps=3)
    twin = to_keras2(network, "twin", wrap)
    twin.compile("sgd", "mse")
    inputs, targets = np.ones((4, 4, 4, 64), np.float32), np.ones((4, 4, 4, 32), np.float32)
    twin.fit(inputs, targets, batch_size=1, epochs=1, verbose=0, callbacks=[pruning_callback()])
    copy_weights_back(twin, network)
    assert has_two_zeros_in_every_four(network.get_layer("first"))
    assert has_two_zeros_in_every_four(network.get_layer("second"))
    assert overall_sparsity(count_zeros(network)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.slow
def test_a_pruned_network_has_two_zeros_in_every_four_weights(prepared: Path, tmp_path: Path) -> None:
    options = replace(SMALL, sparsity=0.5, two_four=True, epochs=1, full_size_epochs=0)
    result = prune(MODEL, prepared, tmp_path, options)
    network = load_network(result.path)
    assert has_two_zeros_in_every_four(network.get_layer("conv_pw_13"))
    assert overall_sparsity(count_zeros(network)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.slow
def test_a_killed_run_resumes_and_ends_like_an_unbroken_one(
    run: Path, prepared: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PRUNE, str(MODEL), str(prepared), str(tmp_path)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    state = tmp_path / "state.json"
    while not state.exists():  # written right after the first epoch's checkpoint
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads(state.read_text())["done"] == 1
    assert not (tmp_path / "model.keras").exists()
    resumed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "resumed after epoch 1 of 2" in resumed.stdout
    broken, unbroken = (load_network(r / "model.keras").get_weights() for r in (tmp_path, run))
    for a, b in zip(broken, unbroken, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert sorted(p.name for p in tmp_path.glob("epoch-*")) == sorted(p.name for p in run.glob("epoch-*"))


@pytest.mark.slow
def test_the_command_reports_what_pruning_gained(
    run: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prune", str(MODEL), str(prepared), "-o", str(run), "--epochs", "2", "--size", "32"]
    words += ["--batch", "8", "--calibration", str(ROOT / "calibration"), "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert f"{run} is complete" in err
    report = json.loads(out)
    before, after = report["int8"]["before"], report["int8"]["after"]
    assert after["compressed"] < 0.75 * before["compressed"]
    assert after["bytes"] == pytest.approx(before["bytes"], rel=0.05)
    assert report["int8"]["time_ratio"]["median"] == pytest.approx(1, abs=0.5)
    assert report["sparsity"] == pytest.approx(0.7, abs=0.001)


def test_a_run_killed_before_its_sidecar_was_written_is_completed(
    run: Path, prepared: Path, tmp_path: Path
) -> None:
    again = tmp_path / "run"
    shutil.copytree(run, again)
    sidecar = (again / "model.json").read_text()
    (again / "model.json").unlink()
    prune(MODEL, prepared, again, SMALL)
    assert json.loads((again / "model.json").read_text()) == json.loads(sidecar)


def test_another_backend_is_refused(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert main(["prune", str(MODEL), str(prepared), "-o", str(tmp_path / "run")]) == 2
    assert "needs Keras with tensorflow: unset KERAS_BACKEND=jax" in capsys.readouterr().err


def test_the_folder_of_another_run_is_refused(
    run: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prune", str(MODEL), str(prepared), "-o", str(run), "--sparsity", "0.5"]
    assert main([*words, "--calibration", str(ROOT / "calibration")]) == 2
    assert "holds a run with another sparsity" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.0}, "--sparsity 1 must lie between 0 and 1"),
        ({"sparsity": 0.7, "two_four": True}, "means a sparsity of 0.5"),
        ({"epochs": 0, "full_size_epochs": 0}, "--epochs 0 must be at least 1"),
        ({"epochs": 1, "full_size_epochs": 2}, "--full-size-epochs 2 must be at least 0"),
        ({"size": 100}, "--size 100 must be a multiple of 32"),
    ],
)
def test_impossible_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PruneOptions(**options)  # type: ignore[arg-type]


def test_the_network_is_the_same_under_keras_2() -> None:
    network = build_network(0.25, size=64)
    gray = np.random.default_rng(4).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    expected = np.asarray(network(gray))
    output = to_keras2(network, "twin")(gray, training=False).numpy()
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(output, expected, atol=1e-6)


def test_a_layer_that_no_fusion_network_has_is_refused() -> None:
    pixels = keras.Input((32, 32, 1))
    with pytest.raises(UsageError, match="A Softmax cannot be pruned"):
        to_keras2(keras.Model(pixels, keras.layers.Softmax()(pixels)), "twin")
