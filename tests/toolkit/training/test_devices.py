"""`--devices all`: the same training, shared by several devices. Two CPU devices stand in for two GPUs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from edgecolor.cli import main
from edgecolor.network.keras_file import load_network

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only with TensorFlow")

SMALL = ["--trunk", "none", "--size", "32", "--full-size-epochs", "1", "--batch", "8", "--ema", "0"]

# TensorFlow can split a CPU only before it has looked at the devices, hence in a new process.
ON_TWO = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from edgecolor.cli import main
sys.exit(main(sys.argv[1:]))
"""

# One step of plain descent, without batch normalization, is exactly the same on one device and on two.
EXACT = """
import sys
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from edgecolor.training.devices import clip_norm, device_scope
from edgecolor.training.loss import chroma_loss
from edgecolor.training.recipe import LossWeights

random = np.random.default_rng(3)
gray = random.normal(size=(8, 16, 16, 1)).astype("f")
truth = np.repeat(random.uniform(-0.5, 0.5, (8, 1, 1, 2)).astype("f"), 16, 1).repeat(16, 2)
prior = np.full(121, 1 / 121, "f")
steps = []
for devices in ("one", "all"):
    keras.utils.set_random_seed(1)
    with device_scope(devices, 8, print):
        model = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Conv2D(2, 3, padding="same")])
        norm = clip_norm(1e9)
        model.compile(keras.optimizers.SGD(0.01, global_clipnorm=norm), chroma_loss(LossWeights(), prior))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
    loss = model.train_on_batch(gray, truth)
    steps.append((replicas, norm, loss, model.get_weights()))
one, two = steps
assert (one[0], two[0]) == (1, 2), "replicas"
assert (one[1], two[1]) == (1e9, 5e8), "the norm of a share"
np.testing.assert_allclose(two[2], one[2], rtol=1e-5)
for a, b in zip(one[3], two[3], strict=True):
    np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
"""


def run_child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=600, check=False
    )


def test_a_step_on_two_devices_equals_a_step_on_one() -> None:
    done = run_child(EXACT)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_a_run_killed_on_two_devices_resumes_on_one(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["train", str(prepared), "-o", str(run), *SMALL, "--epochs", "3"]
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen([sys.executable, "-c", ON_TWO, *words, "--devices", "all"], stderr=stderr)
        deadline = time.monotonic() + 300
        while not (run / "model.json").exists():  # written last in the first epoch
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert "training on CPU:0, CPU:1: each takes 4 of a batch of 8" in log.read_text()
    assert json.loads((run / "state.json").read_text("utf-8"))["done"] < 3
    assert "devices" not in json.loads((run / "recipe.json").read_text("utf-8"))

    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "resumed after epoch" in err
    assert "epoch 3/3 done" in err
    assert all(np.isfinite(w).all() for w in load_network(Path(out.strip())).get_weights())


@pytest.mark.slow
def test_two_devices_train_to_the_end_and_change_size(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", str(prepared), "-o", str(run), *SMALL, "--epochs", "2", "--devices", "all"]
    done = run_child(ON_TWO, *words)  # the second epoch is at full size
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((run / "state.json").read_text("utf-8"))["done"] == 2
    assert all(np.isfinite(w).all() for w in load_network(Path(done.stdout.strip())).get_weights())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--devices", "both"], "expected one or all"),
        (["--devices", "all", "--batch", "7"], "multiple of 2"),
    ],
)
def test_an_impossible_choice_of_devices_is_refused(
    prepared: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices = [SimpleNamespace(name=f"/device:CPU:{number}") for number in (0, 1)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices if kind == "CPU" else [])
    command = ["train", str(prepared), "-o", str(tmp_path / "run"), *SMALL, "--epochs", "2", *words]
    assert main(command) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_several_hosts_are_refused(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}))
    words = ["train", str(prepared), "-o", str(tmp_path / "run"), *SMALL, "--epochs", "2", "--devices", "all"]
    assert main(words) == 2
    assert "Unset TF_CONFIG" in capsys.readouterr().err
