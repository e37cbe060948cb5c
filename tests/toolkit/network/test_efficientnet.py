"""EfficientNet-Lite as a branch: its weights file, its output, and its use as a teacher."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from edgecolor.cli import main
from edgecolor.network import efficientnet
from edgecolor.network.fusion import build_network, resized, with_class_head, with_teachers
from edgecolor.network.keras_file import load_network
from edgecolor.network.pretrained import freeze_trunk
from edgecolor.training.recipe import Recipe
from edgecolor.training.trainer import train
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import DataError, UsageError

State = dict[str, NDArray[Any]]
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]  # of the blocks of Lite 0


def norm(channels: int, rng: np.random.Generator) -> State:
    return {
        "weight": rng.uniform(0.8, 1.5, channels).astype(np.float32),
        "bias": rng.normal(0.5, 0.3, channels).astype(np.float32),
        "running_mean": rng.normal(0, 0.1, channels).astype(np.float32),
        "running_var": rng.uniform(0.5, 1.5, channels).astype(np.float32),
        "num_batches_tracked": np.asarray(7),
    }


@pytest.fixture(scope="module")
def state() -> State:
    """Random weights of Lite 0, named and shaped as the published ones."""
    rng = np.random.default_rng(5)

    def kernel(*shape: int) -> F32:
        return rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)

    tensors: State = {}

    def add(convolution: str, weights: F32, batch_norm: str) -> None:
        tensors[f"{convolution}.weight"] = weights
        tensors.update({f"{batch_norm}.{k}": v for k, v in norm(len(weights), rng).items()})

    add("_conv_stem", kernel(32, 3, 3, 3), "_bn0")
    channels, number = 32, 0
    for repeats, size, expansion, out in [
        (1, 3, 1, 16),
        (2, 3, 6, 24),
        (2, 5, 6, 40),
        (3, 3, 6, 80),
        (3, 5, 6, 112),
        (4, 5, 6, 192),
        (1, 3, 6, 320),
    ]:
        for _ in range(repeats):
            block, wide = f"_blocks.{number}", expansion * channels
            if expansion > 1:
                add(f"{block}._expand_conv", kernel(wide, channels, 1, 1), f"{block}._bn0")
            add(f"{block}._depthwise_conv", kernel(wide, 1, size, size), f"{block}._bn1")
            add(f"{block}._project_conv", kernel(out, wide, 1, 1), f"{block}._bn2")
            channels, number = out, number + 1
    add("_conv_head", kernel(1280, channels, 1, 1), "_bn1")
    return tensors | {"_fc.weight": kernel(10, 1280), "_fc.bias": np.zeros(10, np.float32)}


def write_npz(path: Path, state: dict[str, Any]) -> None:
    np.savez(path, **state)


@pytest.fixture(scope="module")
def weights_file(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("donor") / "lite0.npz"
    write_npz(path, state)
    return path


@pytest.fixture(scope="module")
def network(weights_file: Path) -> keras.Model:
    keras.utils.set_random_seed(6)
    network = build_network(1.0, size=None, blocks=efficientnet.blocks_of(weights_file))
    efficientnet.load_weights(network, weights_file)
    return network


def reference(state: State, x: F32) -> F32:
    """The last activation, walked by the names in the file, on three channels."""

    def step(x: Any, convolution: str, batch_norm: str, stride: int = 1) -> Any:
        kernel = state[f"{convolution}.weight"]
        if kernel.shape[1] == 1 and convolution.endswith("_depthwise_conv"):
            x = tf.nn.depthwise_conv2d(x, kernel.transpose(2, 3, 0, 1), [1, stride, stride, 1], "SAME")
        else:
            x = tf.nn.conv2d(x, kernel.transpose(2, 3, 1, 0), stride, "SAME")
        values = [state[f"{batch_norm}.{k}"] for k in ("running_mean", "running_var", "bias", "weight")]
        return tf.nn.batch_normalization(x, *values, 1e-3)

    x = tf.nn.relu6(step(x, "_conv_stem", "_bn0", 2))
    for number, stride in enumerate(STRIDES):
        block, before = f"_blocks.{number}", x
        if f"{block}._expand_conv.weight" in state:
            x = tf.nn.relu6(step(x, f"{block}._expand_conv", f"{block}._bn0"))
        x = tf.nn.relu6(step(x, f"{block}._depthwise_conv", f"{block}._bn1", stride))
        x = step(x, f"{block}._project_conv", f"{block}._bn2")
        if stride == 1 and x.shape == before.shape:
            x = x + before
    return np.asarray(tf.nn.relu6(step(x, "_conv_head", "_bn1")))


def test_the_file_is_read_as_it_was_written(weights_file: Path, state: State) -> None:
    tensors = efficientnet.read_state(weights_file)
    assert list(tensors) == list(state)
    for name, values in state.items():
        np.testing.assert_array_equal(tensors[name], values)


def test_the_branch_sees_gray_as_three_equal_channels(network: keras.Model, state: State) -> None:
    gray = np.random.default_rng(2).uniform(-1, 1, (2, 96, 96, 1)).astype(np.float32)
    output = keras.Model(network.input, network.get_layer("lite_top_relu").output)(gray)
    assert output.shape == (2, 3, 3, 1280)
    expected = reference(state, np.repeat(gray, 3, axis=-1))
    np.testing.assert_allclose(np.asarray(output), expected, atol=5e-3)


@pytest.mark.parametrize(("blocks", "weights"), [(16, 4_652_008), (21, 6_092_072)])
def test_the_larger_ones_are_wider_and_deeper(blocks: int, weights: int) -> None:
    """As published, less a classifier of 1,000 and two colors of the first kernel."""
    made = build_network(1.0, blocks=blocks)
    branch = [w for w in made.trainable_weights if w.path.startswith(efficientnet.PREFIX)]
    assert efficientnet.blocks_in(made) == blocks
    assert sum(int(np.prod(w.shape)) for w in branch) == weights - 1000 * 1281 - 2 * 9 * 32


def test_any_size_any_file_the_same_answers(network: keras.Model, tmp_path: Path) -> None:
    resized(network, 224).save(tmp_path / "n.keras")
    gray = np.random.default_rng(3).uniform(-1, 1, (1, 64, 64, 1)).astype(np.float32)
    again = resized(load_network(tmp_path / "n.keras"), None)
    np.testing.assert_allclose(np.asarray(again(gray)), np.asarray(network(gray)), atol=1e-5)


def test_a_start_of_another_width_is_refused(network: keras.Model, prepared: Path, tmp_path: Path) -> None:
    resized(network, 224).save(tmp_path / "e.keras")
    narrow = Recipe(start=str(tmp_path / "e.keras"), alpha=0.25, batch=4)
    with pytest.raises(UsageError, match=r"e\.keras has another alpha"):
        train(prepared, tmp_path / "run", narrow)


def test_a_frozen_one_does_not_learn(weights_file: Path) -> None:
    made = build_network(1.0, size=None, blocks=16)
    efficientnet.load_weights(made, weights_file)
    freeze_trunk(made)
    assert made.trainable_weights
    assert not any(w.path.startswith(efficientnet.PREFIX) for w in made.trainable_weights)


def test_several_teachers_say_their_mean(network: keras.Model) -> None:
    other = build_network(0.25, size=None, name="other")
    model = with_teachers(
        with_class_head(build_network(0.25, size=None)), [resized(network, None, name="first"), other]
    )
    gray = np.random.default_rng(4).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    ab, _, gap = model(gray, training=False)
    wanted = np.asarray(ab) - (np.asarray(network(gray)) + np.asarray(other(gray))) / 2
    np.testing.assert_allclose(np.asarray(gap), wanted, atol=1e-5)


def test_a_part_of_the_teachers_tint_is_learned(network: keras.Model) -> None:
    teacher = resized(network, None, name="first")
    model = with_teachers(with_class_head(build_network(0.25, size=None)), [teacher], tint=0.75)
    gray = np.random.default_rng(4).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    ab, _, gap = model(gray, training=False)
    target, output = np.asarray(ab) - np.asarray(gap), np.asarray(teacher(gray))
    tint = output.mean(axis=(1, 2), keepdims=True)
    assert np.abs(tint).max() > 1e-3, "the teacher has no tint to remove"
    np.testing.assert_allclose(target, output - 0.25 * tint, atol=1e-5)


@pytest.mark.slow
def test_from_weights_to_a_teacher_by_command(weights_file: Path, prepared: Path, tmp_path: Path) -> None:
    small = ["--epochs", "1", "--full-size-epochs", "0", "--size", "32", "--batch", "4", "--quiet"]
    run = tmp_path / "teacher"
    words = [
        "train",
        str(prepared),
        "-o",
        str(run),
        "--alpha",
        "1",
        "--trunk",
        str(weights_file),
        "--freeze",
        *small,
    ]
    assert main(words) == 0
    teacher = str(run / "model.keras")
    assert efficientnet.blocks_in(load_network(teacher)) == 16
    student = [*small, "--trunk", "none", "--teacher", teacher, "--teacher", teacher]
    assert main(["train", str(prepared), "-o", str(tmp_path / "student"), *student]) == 0
    assert (
        main(["train", str(prepared), "-o", str(tmp_path / "on"), "--start", teacher, "--alpha", "1", *small])
        == 0
    )


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", pickle.dumps(1), pickle.dumps(print)])
def test_another_file_is_refused_and_never_run(
    content: bytes | None, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    assert main(["train", str(prepared), "-o", str(tmp_path / "run"), "--trunk", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_other_weights_are_refused(state: State, tmp_path: Path) -> None:
    write_npz(tmp_path / "x.npz", {k: v for k, v in state.items() if not k.startswith("_blocks.15.")})
    with pytest.raises(DataError, match="15 blocks"):
        efficientnet.blocks_of(tmp_path / "x.npz")
    write_npz(tmp_path / "y.npz", state | {"_conv_head.weight": np.zeros((640, 320, 1, 1), np.float32)})
    with pytest.raises(DataError, match="lite_top is"):
        efficientnet.load_weights(build_network(1.0, blocks=16), tmp_path / "y.npz")
    with pytest.raises(DataError, match="convolutions"):
        efficientnet.load_weights(build_network(1.0, blocks=21), tmp_path / "y.npz")
