"""What the page shows and gives: the models on offer, a picture colored, at the page's size and whole."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from edgecolor.batch.plan import MARK, result_extension
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
from edgecolor_runtime.system.machine import cores

SHOWN_SIDE = 1600  # pixels of the longer side on the page; the download is whole
CHECK_PICTURES = Path(__file__).parents[1] / "data" / "check_pictures"
SAMPLES = {"Surf": "057.jpg", "Poppies": "081.jpg", "Hills": "099.jpg", "Clouds": "123.jpg"}
"""Photographs of the check set, all CC0, for who has none at hand."""


MODELS: dict[str, ModelFile] = {}
"""On offer in this process, by name or path; the first is chosen at first."""


def offer(first: str) -> None:
    """Offer the shipped models, and before them the one of this name or path.

    Raises:
        ModelFileError: There is no such model, or it is not intact.
    """
    opened = {name: open_model(name) for name in (first, *sorted(SHIPPED, reverse=True))}
    MODELS.clear()
    MODELS.update(opened)


@dataclass(frozen=True)
class Predicted:
    """What the network said of a picture.

    Attributes:
        seen: What it saw, 8-bit luma, shape (224, 224).
        ab: In Lab units, shape (56, 56, 2), without the saturation gain.
        seconds: That the network took.
    """

    seen: U8
    ab: F32
    seconds: float


class SharedColorizer:
    """A Colorizer for several visitors, one at a time."""

    def __init__(self, model: ModelFile) -> None:
        self._colorizer = Colorizer(model, threads=cores())
        self._turn = threading.Lock()
        self._colorizer.predict(np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8))  # the first run is slower

    def predict(self, gray: Image.Image) -> Predicted:
        """Run the network on a picture of mode L."""
        with self._turn:
            seen = self._colorizer.prepare(gray)
            begun = time.perf_counter()
            ab = self._colorizer.predict(seen)
            return Predicted(seen, ab, time.perf_counter() - begun)

    def finish(self, gray: Image.Image, said: Predicted, saturation: float) -> ColorFrame:
        """Put the predicted colors on the picture, at any size."""
        with self._turn:
            self._colorizer.saturation = saturation
            return self._colorizer.finish(gray, said.seen, said.ab)


def shown(picture: Picture) -> Picture:
    """The picture as large as the page shows it, without what a page does not show."""
    width, height = size = picture.gray.size
    scale = min(1.0, SHOWN_SIDE / max(size))
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


def shown_file(frame: ColorFrame, of: Picture) -> tuple[str, bytes]:
    """A frame as a file for a browser, with its media type: JPEG, or where there is transparency PNG."""
    form = "JPEG" if of.alpha is None else "PNG"
    return f"image/{form.lower()}", encode(frame, form, of=of)[0]


def gray_frame(of: Picture) -> ColorFrame:
    """A picture as it came, in gray."""
    return ColorFrame(of.gray, np.zeros(OUTPUT_SHAPE[1:], np.float32))


@dataclass(frozen=True)
class Result:
    """The whole colored picture, as `edgecolor run` writes it beside the file that it came from.

    Args:
        source: The name of that file.
        picture: What was in it.

    Raises:
        PictureError: It is larger than its format holds.
    """

    source: str
    picture: Picture

    def __post_init__(self) -> None:
        try:
            refuse_too_large(self.picture.gray.size, self._form)
        except PictureError as error:
            raise PictureError(f"{self.source}: {error}") from None

    @property
    def _form(self) -> str:
        return WRITTEN_FORMATS[result_extension(Path(self.source)).lower()]

    @property
    def name(self) -> str:
        """What the file is called."""
        source = Path(self.source)
        return f"{source.stem}{MARK}{result_extension(source)}"

    def encode(self, frame: ColorFrame) -> bytes:
        """The bytes of the file, of the picture's colored frame."""
        return encode(frame, self._form, of=self.picture)[0]


def trained_on(model: ModelFile) -> str:
    """What a model says of its training, in a line."""
    training = model.info.training
    photographs = training.get("photographs") if isinstance(training, dict) else None
    return f"{photographs:,} photographs" if isinstance(photographs, int) else "not stated"
