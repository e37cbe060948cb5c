"""Training as a user runs it: what a run leaves, a run that survives kill -9, and messages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.cli import main
from edgecolor.data.coverage import BIN_EDGES
from edgecolor.data.dataset import open_dataset
from edgecolor.network.keras_file import load_network
from edgecolor.training.recipe import Augmentation, LossWeights, Recipe
from edgecolor.training.trainer import train

TEACHER = str(Path(__file__).parents[3] / "models" / "t" / "t.keras")
SMALL = ["--trunk", "none", "--size", "32", "--full-size-epochs", "1", "--batch", "4", "--epochs", "3"]
TINY = ["--size", "32", "--full-size-epochs", "0", "--batch", "8", "--epochs", "1", "--quiet"]
EDGECOLOR = [sys.executable, "-c", "import sys; from edgecolor.cli import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def unbroken(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs, the last one at full size, that nothing interrupted."""
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    assert main(["train", str(prepared), "-o", str(run), "--quiet", *SMALL]) == 0
    return run


@pytest.fixture(scope="module")
def frozen(unbroken: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that continues from `unbroken` with a frozen MobileNet."""
    run = tmp_path_factory.mktemp("runs") / "frozen"
    start = ["--start", str(unbroken / "model.keras"), "--freeze"]
    assert main(["train", str(prepared), "-o", str(run), *start, *TINY]) == 0
    return run


def weights(run: Path) -> list[np.ndarray]:
    arrays: list[np.ndarray] = load_network(run / "model.keras").get_weights()
    return arrays


def test_a_run_leaves_network_sidecar_pictures_and_curves(unbroken: Path) -> None:
    state = json.loads((unbroken / "state.json").read_text())
    assert state["epochs"][2]["val_gain_db"] > state["epochs"][0]["val_gain_db"]
    sidecar = json.loads((unbroken / "model.json").read_text())
    assert sidecar["training"]["epochs_done"] == 3
    assert sidecar["saturation"] == state["epochs"][2]["saturation"]
    totals = {name: round(sum(shares), 3) for name, shares in sidecar["coverage"].items()}
    assert totals == dict.fromkeys(BIN_EDGES, 1.0)
    assert (unbroken / "val-0003.jpg").stat().st_size > 10_000
    assert list((unbroken / "tensorboard").rglob("events*"))
    assert load_network(unbroken / "model.keras").input_shape == (None, 224, 224, 1)


def test_checkpoints_can_be_less_frequent(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--trunk", "none", *TINY, "--epochs", "3", "--keep-every", "2", "--workers", "2"]
    assert main(["train", str(prepared), "-o", str(run), *words]) == 0
    state = json.loads((run / "state.json").read_text())
    assert ["val_gain_db" in epoch for epoch in state["epochs"]] == [False, True, True]
    assert sorted(p.name for p in run.glob("val-*")) == ["val-0002.jpg", "val-0003.jpg"]
    assert json.loads((run / "model.json").read_text())["training"]["epochs_done"] == 3


@pytest.mark.slow
def test_the_same_command_trains_on_jax(prepared: Path, tmp_path: Path) -> None:
    """The losses are those of TensorFlow, within what bfloat16 rounds and the first large steps amplify."""
    losses = {}
    for backend in ("tensorflow", "jax"):
        run = tmp_path / backend
        words = [*SMALL, "--workers", "2", "--precision", "mixed_bfloat16", "--quiet"]
        done = subprocess.run(
            [*EDGECOLOR, "train", str(prepared), "-o", str(run), *words],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        sidecar = json.loads((run / "model.json").read_text())
        assert sidecar["training"]["backend"].startswith(backend)
        losses[backend] = [e["loss"] for e in json.loads((run / "state.json").read_text())["epochs"]]
    np.testing.assert_allclose(losses["jax"], losses["tensorflow"], rtol=0.25)
    np.testing.assert_allclose(losses["jax"][-1], losses["tensorflow"][-1], rtol=0.1)
    assert load_network(tmp_path / "jax" / "model.keras").input_shape == (None, 224, 224, 1)


def test_a_start_from_trained_weights_keeps_them(unbroken: Path, prepared: Path, tmp_path: Path) -> None:
    start = ["--start", str(unbroken / "model.keras"), "--learning-rate", "0.000001"]
    assert main(["train", str(prepared), "-o", str(tmp_path / "second"), *start, *TINY]) == 0
    training = json.loads((tmp_path / "second" / "model.json").read_text())["training"]
    assert training["started_from"]["epochs_done"] == 3
    first, second = (load_network(run / "model.keras") for run in (unbroken, tmp_path / "second"))
    for a, b in zip(first.trainable_weights, second.trainable_weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-4)


def test_a_frozen_branch_stays_and_the_average_is_published(
    unbroken: Path, frozen: Path, prepared: Path, tmp_path: Path
) -> None:
    words = ["--start", str(unbroken / "model.keras"), "--freeze", "--ema", "0.99", *TINY]
    assert main(["train", str(prepared), "-o", str(tmp_path), *words]) == 0
    start, last, average = (load_network(run / "model.keras") for run in (unbroken, frozen, tmp_path))

    def change(model: keras.Model, layer: str) -> float:
        pairs = zip(model.get_layer(layer).get_weights(), start.get_layer(layer).get_weights(), strict=True)
        return float(sum(np.abs(a - b).sum() for a, b in pairs))

    for layer in ("conv1", "conv_dw_5", "conv_dw_5_bn", "conv_pw_13"):
        assert change(last, layer) == 0
    assert 0 < change(average, "decoder_8a_pw") < change(last, "decoder_8a_pw")


def test_the_average_with_the_start_is_published(
    unbroken: Path, frozen: Path, prepared: Path, tmp_path: Path
) -> None:
    words = ["--start", str(unbroken / "model.keras"), "--freeze", "--blend", "0.5", *TINY]
    assert main(["train", str(prepared), "-o", str(tmp_path), *words]) == 0
    for before, after, mean in zip(weights(unbroken), weights(frozen), weights(tmp_path), strict=True):
        np.testing.assert_allclose(mean, (before + after) / 2, rtol=1e-2, atol=2e-3)


def test_a_student_follows_its_teacher(unbroken: Path, prepared: Path, tmp_path: Path) -> None:
    """If the teacher's output is the only target, the student approaches it. The teacher does not change."""
    teacher = unbroken / "model.keras"
    only_teacher = LossWeights(huber=0.0, log_error=0.0, colorfulness=0.0, classification=0.0, teacher=1.0)
    recipe = Recipe(
        alpha=0.5,
        trunk="none",
        teachers=(str(teacher),),
        epochs=6,
        full_size_epochs=0,
        size=32,
        batch=4,
        loss=only_teacher,
    )
    before = load_network(teacher).get_weights()
    train(prepared, tmp_path / "student", recipe, keep_every=recipe.epochs)
    sidecar = json.loads((tmp_path / "student" / "model.json").read_text())
    assert sidecar["training"]["recipe"]["teachers"] == ["model.keras"]
    losses = [e["loss"] for e in json.loads((tmp_path / "student" / "state.json").read_text())["epochs"]]
    assert losses[-1] < 0.5 * losses[0]
    for old, new in zip(before, load_network(teacher).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mixed", "1.5"], "--mixed"),
        (["--teacher-weight", "3"], "needs --teacher"),
        (["--teacher", TEACHER, "--teacher-weight", "-1"], "at least 0"),
        (["--teacher-tint", "0.9"], "needs --teacher"),
        (["--teacher", TEACHER, "--teacher-tint", "1.1"], "from 0 to 1"),
    ],
)
def test_impossible_shares_and_weights_are_one_line(
    prepared: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", str(prepared), "-o", str(run), *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not run.exists()


def test_a_killed_run_resumes_and_ends_like_an_unbroken_one(
    unbroken: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    command = ["train", str(prepared), "-o", str(broken), *SMALL]
    process = subprocess.Popen([*EDGECOLOR, *command], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (broken / "model.json").exists():  # written last in the first epoch
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert json.loads((broken / "state.json").read_text())["done"] < 3

    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(broken / "model.keras")
    assert "resumed after epoch" in err
    assert "epoch 3/3 done" in err
    for a, b in zip(weights(broken), weights(unbroken), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)  # threads add in another order


def test_a_kill_between_checkpoint_and_network_loses_nothing(
    unbroken: Path, prepared: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken, run)
    (run / "model.keras").unlink()
    (run / "model.json").unlink()
    assert main(["train", str(prepared), "-o", str(run), "--quiet", *SMALL]) == 0
    assert json.loads((run / "model.json").read_text())["training"]["epochs_done"] == 3
    for a, b in zip(weights(run), weights(unbroken), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_complete_run_is_not_repeated(
    unbroken: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")}
    assert main(["train", str(prepared), "-o", str(unbroken), *SMALL]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(unbroken / "model.keras")
    assert f"{unbroken} is complete" in err
    assert {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")} == before


def test_a_loss_that_is_not_a_number_ends_the_run(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["--trunk", "none", *TINY, "--learning-rate", "1e30"]
    assert main(["train", str(prepared), "-o", str(run), *words]) == 1
    message = "edgecolor: Training diverged: the loss is not a finite number."
    assert capsys.readouterr().err.splitlines()[-1].startswith(message)
    assert not (run / "model.keras").exists()


def test_a_run_that_cannot_begin_does_not_bind_the_folder(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", str(prepared), "-o", str(run), *SMALL, "--trunk", "nowhere.h5"]) == 1
    assert not run.exists()


def test_the_folder_of_another_recipe_is_refused(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    stored = asdict(Recipe(epochs=9, augment=Augmentation(mixed=0.5)))
    (run / "recipe.json").write_text(json.dumps({"recipe": stored} | open_dataset(prepared).identity))
    words = ["--epochs", "9", "--mixed", "0.25", "--learning-rate", "0.5"]
    assert main(["train", str(prepared), "-o", str(run), *words]) == 2
    assert "holds a run with another learning-rate, mixed. Name" in capsys.readouterr().err


def test_missing_data_and_a_missing_backend_are_one_line(prepared: Path, tmp_path: Path) -> None:
    for data, backend, code, message in (
        (tmp_path, "tensorflow", 1, "not a prepared dataset. Make one with `edgecolor dataset`"),
        (prepared, "no_such_backend", 4, "[train]' no_such_backend"),
    ):
        done = subprocess.run(
            [*EDGECOLOR, "train", str(data), "-o", str(tmp_path / "run")],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        (line,) = done.stderr.splitlines()  # and no note of TensorFlow
        assert message in line


def test_the_dtype_policy_is_restored() -> None:
    assert keras.config.dtype_policy().name == "float32"
