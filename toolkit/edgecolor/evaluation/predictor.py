"""Predictors: models as evaluation uses them, from gray pictures to ab.

`finish` makes the picture of every predictor's output. Therefore results of an exported file and of the
.keras that it was made from can be compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_chroma
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT, block_mean, network_input
from edgecolor_runtime.models.shipped import SHIPPED
from edgecolor_runtime.models.signature import AB_SCALE

BATCH = 16  # pictures at a time through the network


class Predictor(Protocol):
    """What predicts ab."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def saturation(self) -> float | None:
        """The gain on ab that it is meant to be shown with; None where it has none of its own."""

    def predict(self, grays: U8) -> F32:
        """8-bit luma (n, 224, 224) to ab in Lab units (n, 56, 56, 2), without the gain."""


class ExportedPredictor:
    """A one-file model through the runtime's own colorizer."""

    def __init__(self, name: str, colorizer: Colorizer) -> None:
        """Takes the colorizer's saturation over."""
        self.name = name
        self.saturation: float | None = colorizer.saturation
        self._colorizer = colorizer

    def predict(self, grays: U8) -> F32:
        """As in `Predictor`."""
        return np.stack([self._colorizer.predict(gray) for gray in grays])


class KerasPredictor:
    """A .keras network, in float32, a batch at a time."""

    saturation = None

    def __init__(self, name: str, network: Any) -> None:
        """`network` is what `edgecolor.network.fusion.load_network` gives."""
        self.name = name
        self._network = network

    def predict(self, grays: U8) -> F32:
        """As in `Predictor`."""
        output = self._network.predict_on_batch(NETWORK_INPUT[grays][..., None])
        return np.asarray(output, dtype=np.float32) * np.float32(AB_SCALE)


def open_predictor(model: str, *, threads: int = 1) -> Predictor:
    """Opens a model by what its name says: a shipped model's name, a .keras, or else a one-file model.

    Raises:
        ModelFileError: no such model, or a broken or foreign one.
        MissingError: a .keras without TensorFlow.
    """
    if model in SHIPPED:
        return ExportedPredictor(model, Colorizer.shipped(model, threads=threads))
    path = Path(model)
    if not path.is_file():
        known = ", ".join(SHIPPED) or "none"
        raise ModelFileError(f"{model}: no such file, nor a shipped model's name (there are: {known}).")
    if path.suffix == ".keras":
        from edgecolor.support.extras import need_keras

        need_keras("evaluate")
        from edgecolor.network.keras_file import load_network

        return KerasPredictor(path.name, load_network(path))
    return ExportedPredictor(path.name, Colorizer.open(path, threads=threads))


def finish(gray: U8, ab: F32, saturation: float) -> U8:
    """What `Colorizer.colorize` makes of a square gray picture, given the network's answer.

    Args:
        gray: 8-bit luma, shape (224, 224).
        ab: in Lab units, shape (56, 56, 2).
        saturation: gain on ab.

    Returns:
        8-bit RGB, shape (224, 224, 3).
    """
    chroma = lab_to_chroma(block_mean(LIGHTNESS_OF_LUMA[gray]), ab * np.float32(saturation))
    return np.asarray(ColorFrame(Image.fromarray(gray), chroma, block_mean(gray)).to_rgb())


class FloatReference:
    """A .keras network on one device; a `Predictor`, too.

    TF32, which an Ampere or newer GPU would use for float32 and which has 10 bits, is off.
    """

    saturation = None

    def __init__(self, path: Path, device: str) -> None:
        """Loads the network; `device` as `devices` gives it.

        Raises:
            ModelFileError: not a Keras file of this signature.
        """
        import tensorflow as tf

        from edgecolor.network.keras_file import load_network

        tf.config.experimental.enable_tensor_float_32_execution(False)
        self.name = path.name
        self.device = device
        with tf.device(device):
            self.network = load_network(path)

    def output(self, grays: U8) -> F32:
        """8-bit luma (n, 224, 224) to the network's output (n, 56, 56, 2) in [-1, 1]."""
        import tensorflow as tf

        with tf.device(self.device):
            parts = [network_input(grays[i : i + BATCH]) for i in range(0, len(grays), BATCH)]
            return np.concatenate(
                [np.asarray(self.network(part, training=False), np.float32) for part in parts]
            )

    def predict(self, grays: U8) -> F32:
        """8-bit luma (n, 224, 224) to ab in Lab units (n, 56, 56, 2)."""
        return self.output(grays) * np.float32(AB_SCALE)


def devices() -> list[str]:
    """What TensorFlow can compute on here: every GPU, then the CPU ("GPU:0", "CPU:0")."""
    import tensorflow as tf

    found = [*tf.config.list_logical_devices("GPU"), *tf.config.list_logical_devices("CPU")[:1]]
    return [device.name.removeprefix("/device:") for device in found]
