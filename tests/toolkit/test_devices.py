"""`--devices all`: the same training, shared by several devices. Two CPU devices stand in for two GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.cli import main
from edgecolor.dataset import prepare
from edgecolor.network import load_network

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only there")

CALIBRATION = Path(__file__).parents[2] / "calibration"
SMALL = ["--trunk", "none", "--size", "32", "--full-size-epochs", "1", "--batch", "8", "--ema", "0"]

# Splitting a CPU is possible only before TensorFlow has looked at it, hence in a process of its own.
ON_TWO = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from edgecolor.cli import main
sys.exit(main(sys.argv[1:]))
"""

# One step of plain descent on a network without batch norm is exactly the same on one device and on two.
EXACT = """
import sys
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from edgecolor.devices import clip_norm, scope
from edgecolor.loss import chroma_loss
from edgecolor.recipe import LossWeights

random = np.random.default_rng(3)
gray = random.normal(size=(8, 16, 16, 1)).astype("f")
truth = np.repeat(random.uniform(-0.5, 0.5, (8, 1, 1, 2)).astype("f"), 16, 1).repeat(16, 2)
prior = np.full(121, 1 / 121, "f")
found = []
for devices in ("one", "all"):
    keras.utils.set_random_seed(1)
    with scope(devices, 8, print):
        model = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Conv2D(2, 3, padding="same")])
        norm = clip_norm(1e9)
        model.compile(keras.optimizers.SGD(0.01, global_clipnorm=norm), chroma_loss(LossWeights(), prior))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
    loss = model.train_on_batch(gray, truth)
    found.append((replicas, norm, loss, model.get_weights()))
one, two = found
assert (one[0], two[0]) == (1, 2), "replicas"
assert (one[1], two[1]) == (1e9, 5e8), "the norm of a share"
np.testing.assert_allclose(two[2], one[2], rtol=1e-5)
for a, b in zip(one[3], two[3], strict=True):
    np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
"""


def child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ},
        timeout=600,
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = tmp_path_factory.mktemp("photos")
    for file in sorted(CALIBRATION.rglob("*.jpg"))[:40]:
        (photos / file.name).symlink_to(file)
    out = photos.parent / f"{photos.name}-prepared"
    prepare(photos, out, val_every=6)
    return out


def test_a_step_on_two_devices_is_that_on_one() -> None:
    done = child(EXACT)
    assert done.returncode == 0, done.stderr[-2000:]


def test_trains_on_two_and_goes_on_with_one(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", str(prepared), "-o", str(run), *SMALL, "--epochs", "2"]
    done = child(ON_TWO, *words, "--devices", "all")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2 replicas train, on CPU:0, CPU:1: each takes 4 of a batch of 8" in done.stderr
    file = Path(done.stdout.strip())
    weights = load_network(file).get_weights()
    assert all(np.isfinite(w).all() for w in weights)
    assert "devices" not in json.loads((run / "recipe.json").read_text("utf-8"))
    state = json.loads((run / "state.json").read_text("utf-8"))
    assert state["done"] == 2
    # Everything is done, so one device resumes the same run, changes nothing and says where the file is.
    assert main(words) == 0
    for a, b in zip(weights, load_network(file).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (["--devices", "both"], "expected one or all"),
        (["--devices", "all", "--batch", "7"], "multiple of 2"),
    ],
)
def test_what_cannot_be_shared_is_said(
    prepared: Path, tmp_path: Path, extra: list[str], complaint: str
) -> None:
    done = child(ON_TWO, "train", str(prepared), "-o", str(tmp_path / "run"), *SMALL, "--epochs", "2", *extra)
    assert done.returncode == 2
    assert complaint in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_several_hosts_are_refused(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}))
    words = ["train", str(prepared), "-o", str(tmp_path / "run"), *SMALL, "--epochs", "2", "--devices", "all"]
    done = child(ON_TWO, *words)
    assert done.returncode == 2
    assert "Unset TF_CONFIG" in done.stderr
