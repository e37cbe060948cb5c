"""Predictors: models as evaluation uses them, from gray pictures to ab.

`finish` makes the picture of every predictor's output. Therefore results of an exported file and of the
.keras that it was made from can be compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from edgecolor.network.float_network import FloatNetwork, on_device
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_chroma
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.normalization import measure_normalization
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.shipped import SHIPPED
from edgecolor_runtime.models.signature import AB_SCALE


class Predictor(Protocol):
    """A model that predicts ab."""

    @property
    def name(self) -> str:
        """Name in reports."""

    @property
    def saturation(self) -> float | None:
        """The model's own gain on ab; None if it has none."""

    def predict(self, grays: U8) -> F32:
        """Return ab in Lab units (n, 56, 56, 2), without the gain, for 8-bit luma (n, 224, 224)."""


class ExportedPredictor:
    """A one-file model in the runtime's colorizer."""

    def __init__(self, name: str, colorizer: Colorizer) -> None:
        """Use the colorizer's saturation."""
        self.name = name
        self.saturation: float | None = colorizer.saturation
        self._colorizer = colorizer

    def predict(self, grays: U8) -> F32:
        """See `Predictor`."""
        return np.stack([self._colorizer.predict(gray) for gray in grays])


class KerasPredictor:
    """A .keras network, in full float32."""

    saturation = None

    def __init__(self, name: str, network: FloatNetwork) -> None:
        """Name the network for reports."""
        self.name = name
        self.network = network

    def predict(self, grays: U8) -> F32:
        """See `Predictor`. Pictures are normalized as on the device."""
        normalizations = [measure_normalization(gray) for gray in grays]
        inputs = [each.apply(gray) for each, gray in zip(normalizations, grays, strict=True)]
        outputs = self.network.outputs(np.stack(inputs)) * np.float32(AB_SCALE)
        return np.stack([each.place(ab) for each, ab in zip(normalizations, outputs, strict=True)])


def open_predictor(model: str, *, threads: int = 1) -> Predictor:
    """Open a shipped model by its name, a .keras, or a one-file model.

    Raises:
        ModelFileError: there is no such model, or it is broken or foreign.
        MissingError: the model is a .keras, and TensorFlow is not installed.
    """
    if model in SHIPPED:
        return ExportedPredictor(model, Colorizer.shipped(model, threads=threads))
    path = Path(model)
    if not path.is_file():
        known = ", ".join(SHIPPED) or "none"
        raise ModelFileError(
            f"{model}: no such file, and no shipped model of this name (there are: {known})."
        )
    if path.suffix == ".keras":
        from edgecolor.support.extras import need_keras

        need_keras("evaluate")
        from edgecolor.network.keras_file import load_network

        return KerasPredictor(path.name, FloatNetwork(load_network(path), is_compiled=True))
    return ExportedPredictor(path.name, Colorizer.open(path, threads=threads))


def finish(gray: U8, ab: F32, saturation: float) -> U8:
    """Return the picture that `Colorizer.colorize` makes of a square gray picture and the network's output.

    Args:
        gray: 8-bit luma, shape (224, 224).
        ab: the network's output in Lab units, shape (56, 56, 2).
        saturation: gain on ab.

    Returns:
        8-bit RGB, shape (224, 224, 3).
    """
    chroma = lab_to_chroma(block_mean(LIGHTNESS_OF_LUMA[gray]), ab * np.float32(saturation))
    return np.asarray(ColorFrame(Image.fromarray(gray), chroma, block_mean(gray)).to_rgb())


class FloatReference(KerasPredictor):
    """A .keras network on one device."""

    def __init__(self, path: Path, device: str) -> None:
        """Load the network.

        Args:
            path: the .keras file.
            device: as `devices` returns it.

        Raises:
            ModelFileError: not a Keras file of this signature.
        """
        from edgecolor.network.keras_file import load_network

        with on_device(device):
            super().__init__(path.name, FloatNetwork(load_network(path), device))
        self.device = device

    def output(self, grays: U8) -> F32:
        """Return the network's output (n, 56, 56, 2) in [-1, 1] for 8-bit luma (n, 224, 224)."""
        return self.network.outputs(grays)


def devices() -> list[str]:
    """Return the devices of TensorFlow on this machine: every GPU, then the CPU ("GPU:0", "CPU:0")."""
    import tensorflow as tf

    logical_devices = [*tf.config.list_logical_devices("GPU"), *tf.config.list_logical_devices("CPU")[:1]]
    return [device.name.removeprefix("/device:") for device in logical_devices]
