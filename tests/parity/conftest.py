"""Fixtures: one network and its exported files, each converted once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from edgecolor.data.calibration import read_calibration
from edgecolor.exporting import rounding
from edgecolor.exporting.pipeline import export
from edgecolor.network.fusion import build_network
from edgecolor.network.keras_file import load_network
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.inference.preprocess import network_input, squash
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.models.model_file import ModelFile, read

ROOT = Path(__file__).parents[2]
TRAINED = ROOT / "models" / "s" / "s.keras"


@pytest.fixture(scope="session")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the trained network, or a random one that colors as strongly if there is no trained one."""
    if TRAINED.is_file():
        return TRAINED
    keras.utils.set_random_seed(1)
    network = build_network(0.25)
    gray = read_calibration(ROOT / "calibration").gray[:4]
    head = network.get_layer("ab_conv")
    kernel, bias = head.get_weights()
    head.set_weights([kernel * (0.2 / np.asarray(network(network_input(gray))).std()), bias])
    path: Path = tmp_path_factory.mktemp("network") / "random.keras"
    network.save(path)
    return path


@pytest.fixture(scope="session")
def network(keras_file: Path) -> keras.Model:
    return load_network(keras_file)


@pytest.fixture(scope="session")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every seventh calibration picture: similar ranges in less time."""
    folder = tmp_path_factory.mktemp("calibration")
    for picture in sorted((ROOT / "calibration").glob("*.jpg"))[::7]:
        shutil.copy(picture, folder)
    return folder


@pytest.fixture(scope="session")
def calibration_gray(calibration: Path) -> U8:
    return read_calibration(calibration).gray


@pytest.fixture(scope="session")
def gray() -> U8:
    """Return pictures that are not in the calibration set, uint8 (12, 224, 224)."""
    return np.stack(
        [squash(open_picture(p).gray) for p in sorted((ROOT / "examples" / "photographs").glob("*.jpg"))]
    )


@pytest.fixture(scope="session")
def reference(network: keras.Model, gray: U8) -> F32:
    """Return the outputs of the Keras network for `gray`: float32 (12, 56, 56, 2) in [-1, 1]."""
    return np.asarray(network(network_input(gray), training=False), np.float32)


@pytest.fixture(scope="session")
def exported(
    keras_file: Path,
    calibration: Path,
    tmp_path_factory: pytest.TempPathFactory,
    converting_here: Callable[[], AbstractContextManager[None]],
) -> Callable[[str], ModelFile]:
    """Return the function that exports a precision; kernels are rounded with fewer patches, in less time."""
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def export_once(precision: str) -> ModelFile:
        out = folder / f"{precision}.tflite"
        with converting_here(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(rounding, "MAX_PATCHES", 4000)
            export(keras_file, out, calibration=calibration, precision=Precision(precision))
        return read(out)

    return export_once
