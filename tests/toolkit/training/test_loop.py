"""Training as a user runs it: batches that can be repeated, a run that survives kill -9, and its messages."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.cli import main
from edgecolor.data.coverage import BIN_EDGES
from edgecolor.data.dataset import Dataset, open_dataset, whole
from edgecolor.network.keras_file import load_network
from edgecolor.training.batches import Batches
from edgecolor.training.publish import published_network
from edgecolor.training.recipe import Augmentation, LossWeights, Recipe
from edgecolor.training.trainer import train
from edgecolor.training.validation import centered, matching_gain, report_missing
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import MissingError, UsageError
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.signature import AB_SCALE

PLAIN = Augmentation(
    full_size_cut=1.0,
    aspect=1.0,
    spectral=False,
    gamma=0.0,
    contrast=0.0,
    noisy=0.0,
    blurred=0.0,
    sharpened=0.0,
    compressed=0.0,
)
SMALL = ["--trunk", "none", "--size", "32", "--full-size-epochs", "1", "--batch", "4", "--epochs", "3"]


@pytest.fixture
def data(prepared: Path) -> Dataset:
    return open_dataset(prepared)


def test_batches_repeat_and_epochs_differ(data: Dataset) -> None:
    first, second = (Batches(data, batch=4, size=64, seed=5) for _ in range(2))
    for batches in (first, second):
        batches.start_epoch(3, 64)
    second[0]  # what was read before must not matter
    np.testing.assert_array_equal(first[1][0], second[1][0])
    second.start_epoch(4, 64)
    assert not np.array_equal(first[1][0], second[1][0])


def test_workers_beside_make_the_same_batches(data: Dataset) -> None:
    with closing(Batches(data, batch=4, size=64, seed=5, workers=2)) as beside:
        here = Batches(data, batch=4, size=64, seed=5)
        for epoch, size in ((0, 64), (1, 96)):
            for batches in (here, beside):
                batches.start_epoch(epoch, size)
            for i in range(len(here)):
                for a, b in zip(here[i][1], beside[i][1], strict=True):
                    np.testing.assert_array_equal(a, b)
                np.testing.assert_array_equal(here[i][0], beside[i][0])


def test_a_killed_worker_is_said(data: Dataset) -> None:
    with closing(Batches(data, batch=4, size=64, seed=5, workers=1)) as batches:
        batches[0]
        (worker,) = multiprocessing.active_children()
        worker.kill()
        worker.join()
        batches.start_epoch(1, 64)
        with pytest.raises(MissingError, match="fewer --workers"):
            batches[0]


def test_a_worker_loads_no_keras() -> None:
    program = "import sys, edgecolor.training.augmentation; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_full_size_batch_is_the_photograph_or_its_mirror(data: Dataset) -> None:
    batches = Batches(data, batch=4, size=224, seed=5, augment=PLAIN)
    lightness, (ab, again) = batches[0]
    assert ab is again
    gray, truth = (a.astype(np.float16) for a in whole(data, data.rows["train"]))
    for found_l, found_ab in zip(lightness, ab, strict=True):
        pairs = [(gray[i][:, ::s], truth[i][:, ::s]) for i in range(len(gray)) for s in (1, -1)]
        match = [t for g, t in pairs if np.array_equal(g, found_l)]
        assert match
        np.testing.assert_array_equal(match[0], found_ab)


@pytest.mark.parametrize(("size", "aspect"), [(96, 1.0), (96, 1.8), (224, 1.8)])
def test_a_cut_keeps_gray_and_color_together(data: Dataset, size: int, aspect: float) -> None:
    """Where color is made from gray, it must still be the same function of gray after the cut."""
    ramp = data.luma.copy()
    ab = np.stack([ramp[:, ::4, ::4] // 2, 64 - (ramp[:, ::4, ::4] // 4).astype(np.int16)], -1).astype(
        np.int8
    )
    smooth = np.repeat(np.repeat(ramp[:, ::4, ::4], 4, 1), 4, 2)
    made = Dataset(smooth, smooth, ab, data.names, data.rows, data.sha256, data.path)
    augment = replace(PLAIN, aspect=aspect, full_size_cut=0.7)
    lightness, (target, _) = Batches(made, batch=8, size=size, seed=1, augment=augment)[0]
    for picture, colors in zip(block_mean(lightness[..., 0]), target, strict=True):
        assert np.corrcoef(picture.ravel(), colors[..., 0].ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    "worn_by",
    [
        replace(PLAIN, blurred=1.0, compressed=1.0),
        replace(PLAIN, sharpened=1.0),
        replace(PLAIN, gamma=0.3),
        replace(PLAIN, contrast=0.3),
        replace(PLAIN, noisy=1.0),
    ],
)
def test_what_a_camera_does_touches_gray_alone(data: Dataset, worn_by: Augmentation) -> None:
    (clean, (ab, _)), (worn, (same, _)) = (
        Batches(data, batch=8, size=224, seed=5, augment=a)[0] for a in (PLAIN, worn_by)
    )
    # One photograph draws its random numbers after another, so only the first has the same cut and flip.
    np.testing.assert_array_equal(ab[0], same[0])
    assert 0.001 < np.abs(clean[0] - worn[0]).mean() < 0.2
    assert np.corrcoef(clean[0].ravel(), worn[0].ravel())[0, 1] > 0.9


def test_a_double_exposure_mixes_gray_and_color_alike(data: Dataset) -> None:
    batches = [
        Batches(data, batch=8, size=224, seed=5, augment=replace(PLAIN, mixed=share))[0]
        for share in (0.0, 1.0, 0.5)
    ]
    plain, mixed, some = ((x.astype(np.float32), [a.astype(np.float32) for a in y]) for x, y in batches)
    for i, (lightness, ab) in enumerate(zip(mixed[0], mixed[1][0], strict=True)):
        found = []
        for j in set(range(8)) - {i}:
            away = plain[0][j] - plain[0][i]
            share = float(((lightness - plain[0][i]) * away).sum() / np.square(away).sum())
            if np.allclose(lightness, plain[0][i] + share * away, atol=1e-3):
                found.append(share)
                there = plain[1][0]
                np.testing.assert_allclose(ab, there[i] + share * (there[j] - there[i]), atol=1e-3)
        assert len(found) == 1
        assert 0.15 <= found[0] <= 0.5
    untouched = [np.array_equal(a, b) for a, b in zip(some[0], plain[0], strict=True)]
    assert any(untouched)
    assert not all(untouched)


def test_the_matching_gain_is_the_least_that_errs_little() -> None:
    rng = np.random.default_rng(3)
    ours = rng.uniform(0.2, 3, 301).astype(np.float32)
    truth = (ours * rng.uniform(0.5, 2.5, 301)).astype(np.float32)
    gains = np.arange(0.25, 4, 0.01)
    errors = np.array([np.abs(g * ours - truth).sum() for g in gains])
    found = matching_gain(ours, truth)
    assert found < gains[errors.argmin()]
    below, at = (np.abs(g * ours - truth).sum() / errors.min() for g in (found - 0.011, found + 0.001))
    assert at <= 1.02 < below
    assert matching_gain(ours, 10 * ours) == pytest.approx(3.88, abs=0.01)  # 4, if it could


@pytest.fixture(scope="module")
def unbroken(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    assert main(["train", str(prepared), "-o", str(run), "--quiet", *SMALL]) == 0
    return run


def weights(run: Path) -> list[np.ndarray]:
    arrays: list[np.ndarray] = load_network(run / "model.keras").get_weights()
    return arrays


def test_a_run_leaves_network_facts_pictures_and_curves(unbroken: Path) -> None:
    state = json.loads((unbroken / "state.json").read_text())
    assert state["epochs"][2]["val_gain_db"] > state["epochs"][0]["val_gain_db"]
    facts = json.loads((unbroken / "model.json").read_text())
    assert facts["training"]["epochs_done"] == 3
    assert facts["saturation"] == state["epochs"][2]["saturation"]
    totals = {name: round(sum(shares), 3) for name, shares in facts["coverage"].items()}
    assert totals == dict.fromkeys(BIN_EDGES, 1.0)
    assert (unbroken / "val-0003.jpg").stat().st_size > 10_000
    assert list((unbroken / "tensorboard").rglob("events*"))
    assert load_network(unbroken / "model.keras").input_shape == (None, 224, 224, 1)


def test_a_run_can_keep_less_often(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    rarely = ["--keep-every", "2", "--workers", "2"]
    assert main(["train", str(prepared), "-o", str(run), "--quiet", *SMALL, *rarely]) == 0
    state = json.loads((run / "state.json").read_text())
    assert ["val_gain_db" in epoch for epoch in state["epochs"]] == [False, True, True]
    assert sorted(p.name for p in run.glob("val-*")) == ["val-0002.jpg", "val-0003.jpg"]
    assert json.loads((run / "model.json").read_text())["training"]["epochs_done"] == 3


@pytest.mark.slow
def test_the_same_command_trains_on_jax(prepared: Path, tmp_path: Path) -> None:
    """To where TensorFlow gets by the same steps, in bfloat16 within what that rounds."""
    found = {}
    for backend in ("tensorflow", "jax"):
        run = tmp_path / backend
        program = "import sys; from edgecolor.cli import main; sys.exit(main())"
        words = [*SMALL, "--workers", "2", "--precision", "mixed_bfloat16", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-c", program, "train", str(prepared), "-o", str(run), *words],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        facts = json.loads((run / "model.json").read_text())
        assert facts["training"]["backend"].startswith(backend)
        found[backend] = [e["loss"] for e in json.loads((run / "state.json").read_text())["epochs"]]
    np.testing.assert_allclose(found["jax"], found["tensorflow"], rtol=0.1)
    assert load_network(tmp_path / "jax" / "model.keras").input_shape == (None, 224, 224, 1)


def test_a_start_from_trained_weights_keeps_them(unbroken: Path, prepared: Path, tmp_path: Path) -> None:
    again = [*SMALL[:-1], "1", "--start", str(unbroken / "model.keras"), "--learning-rate", "0.000001"]
    assert main(["train", str(prepared), "-o", str(tmp_path / "second"), "--quiet", *again]) == 0
    training = json.loads((tmp_path / "second" / "model.json").read_text())["training"]
    assert training["started_from"]["epochs_done"] == 3
    first, second = (load_network(run / "model.keras") for run in (unbroken, tmp_path / "second"))
    for a, b in zip(first.trainable_weights, second.trainable_weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-4)


def test_a_frozen_branch_stays_and_the_average_is_what_is_kept(
    unbroken: Path, prepared: Path, tmp_path: Path
) -> None:
    start = ["--start", str(unbroken / "model.keras"), *SMALL[:-1], "1"]
    runs = {"last": [], "average": ["--ema", "0.99"]}
    for name, words in runs.items():
        command = ["train", str(prepared), "-o", str(tmp_path / name), "--quiet", *start, "--freeze", *words]
        assert main(command) == 0
    begun, last, average = (
        load_network(r / "model.keras") for r in (unbroken, *map(tmp_path.joinpath, runs))
    )

    def way(model: keras.Model, layer: str) -> float:
        pairs = zip(model.get_layer(layer).get_weights(), begun.get_layer(layer).get_weights(), strict=True)
        return float(sum(np.abs(a - b).sum() for a, b in pairs))

    for layer in ("conv1", "conv_dw_5", "conv_dw_5_bn", "conv_pw_13"):
        assert way(last, layer) == 0
    assert 0 < way(average, "decoder_8a_pw") < way(last, "decoder_8a_pw")


def test_what_is_kept_is_the_average_with_the_start(unbroken: Path, prepared: Path, tmp_path: Path) -> None:
    start = unbroken / "model.keras"
    words = ["--start", str(start), *SMALL[:-1], "1"]
    for name, blend in (("alone", "0"), ("average", "0.5")):
        command = ["train", str(prepared), "-o", str(tmp_path / name), "--quiet", *words, "--blend", blend]
        assert main(command) == 0
    begun, alone, average = (
        load_network(path).get_weights()
        for path in (start, tmp_path / "alone" / "model.keras", tmp_path / "average" / "model.keras")
    )
    for before, after, mean in zip(begun, alone, average, strict=True):
        np.testing.assert_allclose(mean, (before + after) / 2, rtol=1e-2, atol=2e-3)
    with pytest.raises(UsageError, match="--blend"):
        Recipe(blend=0.5)


def test_what_is_kept_is_centered(unbroken: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far a network is off on the whole, its typical error afterwards is none; where few tell it."""
    data = open_dataset(prepared)
    network = load_network(unbroken / "model.keras")
    said: list[str] = []
    report_missing(data, said.append)
    assert said == ["8 val photographs: the colors are not centered, which needs 200"]
    assert centered(network, data) is network
    monkeypatch.setattr("edgecolor.training.validation.MIN_CENTERING_PHOTOGRAPHS", 8)
    lightness, truth = whole(data, data.rows["val"])

    def off(model: keras.Model) -> F32:
        errors = (truth - model.predict_on_batch(lightness)).reshape(-1, 2)
        return np.asarray(AB_SCALE * np.median(errors, axis=0))

    kept_one = published_network(network, Recipe(), data)
    assert np.abs(off(kept_one)).max() < 0.5, "training leaves it so"
    network.get_layer("ab_conv").bias.assign_add([0.1, -0.05])
    before = off(network)
    copy = centered(network, data)
    assert np.abs(off(copy)).max() < 0.5
    np.testing.assert_array_equal(off(network), before)  # training goes on from it


def test_a_student_follows_its_teacher(unbroken: Path, prepared: Path, tmp_path: Path) -> None:
    """With the teacher's word alone for a loss, training brings the student to it and leaves it alone."""
    teacher = unbroken / "model.keras"
    silent = LossWeights(huber=0.0, log_error=0.0, colorfulness=0.0, classification=0.0, teacher=1.0)
    recipe = Recipe(
        alpha=0.5,
        trunk="none",
        teachers=(str(teacher),),
        epochs=12,
        full_size_epochs=0,
        size=64,
        batch=4,
        loss=silent,
    )
    before = load_network(teacher).get_weights()
    train(prepared, tmp_path / "student", recipe, on_progress=lambda line: None)
    facts = json.loads((tmp_path / "student" / "model.json").read_text())
    assert facts["training"]["recipe"]["teachers"] == ["model.keras"]
    found = [e["loss"] for e in json.loads((tmp_path / "student" / "state.json").read_text())["epochs"]]
    assert found[-1] < 0.5 * found[0]
    for old, new in zip(before, load_network(teacher).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mixed", "1.5"], "--mixed"),
        (["--teacher-weight", "3"], "needs --teacher"),
        (["--teacher", "t.keras", "--teacher-weight", "-1"], "at least 0"),
        (["--teacher-tint", "0.9"], "needs --teacher"),
        (["--teacher", "t.keras", "--teacher-tint", "1.1"], "from 0 to 1"),
    ],
)
def test_shares_and_weights_that_cannot_be(
    prepared: Path, tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", str(prepared), "-o", str(run), *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not run.exists()


def test_killed_run_resumes_and_ends_where_an_unbroken_one_does(
    unbroken: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    program = "import sys; from edgecolor.cli import main; sys.exit(main())"
    command = ["train", str(prepared), "-o", str(broken), *SMALL]
    process = subprocess.Popen([sys.executable, "-c", program, *command], stderr=subprocess.DEVNULL)
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


def test_a_loss_that_is_no_number_ends_the_run(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["--quiet", *SMALL, "--learning-rate", "1e30"]
    assert main(["train", str(prepared), "-o", str(run), *words]) == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("edgecolor: Training diverged: the loss is not a finite number.")
    )
    assert not (run / "model.keras").exists()


def test_what_could_not_begin_does_not_bind_the_next_attempt(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", str(prepared), "-o", str(run), *SMALL, "--trunk", "nowhere.h5"]) == 1
    assert not run.exists()


def test_folder_of_another_recipe_is_kept(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    begun = asdict(Recipe(epochs=9, augment=Augmentation(mixed=0.5)))
    (run / "recipe.json").write_text(json.dumps({"recipe": begun} | open_dataset(prepared).identity))
    words = ["--epochs", "9", "--mixed", "0.25", "--learning-rate", "0.5"]
    assert main(["train", str(prepared), "-o", str(run), *words]) == 2
    assert "holds a run with another learning-rate, mixed. Name" in capsys.readouterr().err


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    program = "import sys; from edgecolor.cli import main; sys.exit(main())"
    for backend, code, said in (
        ("tensorflow", 1, "not a prepared dataset. Make one with `edgecolor dataset`"),
        ("no_such_backend", 4, "pip install 'edgecolor[train]' no_such_backend"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, "train", str(tmp_path), "-o", str(tmp_path / "run")],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        (line,) = done.stderr.splitlines()  # nor a note of TensorFlow's
        assert said in line


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 100},
        {"epochs": 0},
        {"full_size_epochs": 99},
        {"precision": "int3"},
        {"seed": -1},
        {"learning_rate": 0},
        {"ema": 1.0},
    ],
)
def test_impossible_recipe(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_policy_is_put_back() -> None:
    assert keras.config.dtype_policy().name == "float32"
