"""The coloring of the page: the models, a photograph at the size of the page, and the whole result."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from edgecolor.batch.plan import MARK, result_extension
from edgecolor.data.calibration import CHECK_PICTURES
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.formats import WRITTEN_FORMATS
from edgecolor_runtime.images.reader import Picture
from edgecolor_runtime.images.writer import encode, refuse_too_large
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.models.shipped import SHIPPED, open_model
from edgecolor_runtime.models.signature import INPUT_SIZE, OUTPUT_SHAPE
from edgecolor_runtime.system.machine import count_cores

PAGE_SIDE = 1600  # pixels of the longer side on the page; the download has the full size
SAMPLES = {
    "Surf": CHECK_PICTURES / "057.jpg",
    "Poppies": CHECK_PICTURES / "081.jpg",
    "Hills": CHECK_PICTURES / "099.jpg",
    "Clouds": CHECK_PICTURES / "123.jpg",
}
"""Photographs of the check set, all CC0, for visitors without a photograph at hand."""


def open_models(first: str) -> dict[str, ModelFile]:
    """Open the models of the page: the named model, then the shipped models.

    Args:
        first: name of a shipped model, or path of a model file. The page selects it at the start.

    Returns:
        Name or path -> model, in the order of the page.

    Raises:
        ModelFileError: there is no such model, or it is not intact.
    """
    return {name: open_model(name) for name in (first, *sorted(SHIPPED, reverse=True))}


@dataclass(frozen=True)
class Prediction:
    """What the network predicts for a photograph.

    Attributes:
        seen: the network's view of the photograph, 8-bit luma, shape (224, 224).
        ab: predicted colors in Lab units, shape (56, 56, 2), without the saturation gain.
        seconds: duration of the inference.
    """

    seen: U8
    ab: F32
    seconds: float


class SharedColorizer:
    """A Colorizer for several visitors, one at a time."""

    def __init__(self, model: ModelFile) -> None:
        self._colorizer = Colorizer(model, threads=count_cores())
        self._lock = threading.Lock()
        self._colorizer.predict(np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8))  # the first run is slower

    def predict(self, gray: Image.Image) -> Prediction:
        """Run the network on a picture of mode L."""
        with self._lock:
            seen = self._colorizer.prepare(gray)
            begun = time.perf_counter()
            ab = self._colorizer.predict(seen)
            return Prediction(seen, ab, time.perf_counter() - begun)

    def finish(self, gray: Image.Image, prediction: Prediction, saturation: float) -> ColorFrame:
        """Put the predicted colors on the picture, at any size."""
        with self._lock:
            self._colorizer.saturation = saturation
            return self._colorizer.finish(gray, prediction.seen, prediction.ab)


def scale_to_page(picture: Picture) -> Picture:
    """Return the picture at the size of the page, without metadata."""
    width, height = size = picture.gray.size
    scale = min(1.0, PAGE_SIDE / max(size))
    small = max(1, round(width * scale)), max(1, round(height * scale))

    def scaled(plane: Image.Image) -> Image.Image:
        return plane if small == size else plane.resize(small, Image.Resampling.LANCZOS, reducing_gap=2)

    return replace(
        picture,
        gray=scaled(picture.gray),
        alpha=None if picture.alpha is None else scaled(picture.alpha),
        exif=b"",
        xmp=None,
    )


def encode_for_page(frame: ColorFrame, picture: Picture) -> tuple[str, bytes]:
    """Encode a frame for a browser: JPEG, or PNG if the picture has transparency.

    Returns:
        The media type and the bytes of the file.
    """
    form = "JPEG" if picture.alpha is None else "PNG"
    return f"image/{form.lower()}", encode(frame, form, of=picture)[0]


def make_gray_frame(picture: Picture) -> ColorFrame:
    """Return the frame of a picture without colors."""
    return ColorFrame(picture.gray, np.zeros(OUTPUT_SHAPE[1:], np.float32))


@dataclass(frozen=True)
class ColoredFile:
    """The colored picture at its full size, the same file that `edgecolor run` writes.

    Args:
        source: name of the file that the picture came from.
        picture: the picture.

    Raises:
        PictureError: the picture is larger than its format allows.
    """

    source: str
    picture: Picture

    def __post_init__(self) -> None:
        try:
            refuse_too_large(self.picture.gray.size, self._format)
        except PictureError as error:
            raise PictureError(f"{self.source}: {error}") from None

    @property
    def _format(self) -> str:
        return WRITTEN_FORMATS[result_extension(Path(self.source)).lower()]

    @property
    def name(self) -> str:
        """Name of the file."""
        source = Path(self.source)
        return f"{source.stem}{MARK}{result_extension(source)}"

    def encode(self, frame: ColorFrame) -> bytes:
        """Return the bytes of the file, for the picture's colored frame."""
        return encode(frame, self._format, of=self.picture)[0]


def describe_training(model: ModelFile) -> str:
    """Return the training data that a model file states, in a few words."""
    training = model.info.training
    photographs = training.get("photographs") if isinstance(training, dict) else None
    return f"{photographs:,} photographs" if isinstance(photographs, int) else "not stated"
