"""The coloring of the page: the models, a photograph at the size of the page, and the whole result."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from edgecolor.batch.plan import MARK, result_extension
from edgecolor.data.calibration import CHECK_PICTURES
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import EdgecolorError, PictureError
from edgecolor_runtime.images.formats import WRITTEN_FORMATS
from edgecolor_runtime.images.metadata import Metadata
from edgecolor_runtime.images.own_colors import is_in_color, keep_colors
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.images.reader import parse_picture
from edgecolor_runtime.images.writer import encode, refuse_too_large
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.models.shipped import SHIPPED, open_model
from edgecolor_runtime.models.signature import INPUT_SIZE, OUTPUT_SHAPE
from edgecolor_runtime.system.machine import count_cores

PAGE_SIDE = 1600  # pixels of the longer side on the page; the download has the full size
SAMPLES = {
    "Parrots": Path(__file__).with_name("parrots.jpg"),
    "Surf": CHECK_PICTURES / "057.jpg",
    "Poppies": CHECK_PICTURES / "081.jpg",
    "Hills": CHECK_PICTURES / "099.jpg",
    "Clouds": CHECK_PICTURES / "123.jpg",
}
"""Photographs for visitors without a photograph at hand; the page opens with the first.

Parrots is number 23 of Kodak's photographs, which Kodak released for unrestricted use. The others are CC0 and
belong to the check set.
"""
MAX_UPLOAD_PIXELS = 100_000_000  # of a photograph
FAILURES = "not colored.txt"
"""File in the zip of results that lists the photographs that could not be colored."""


@dataclass(frozen=True)
class PhotoFile:
    """The file of a photograph that a visitor chose.

    Attributes:
        name: name of the file.
        data: its bytes.
        recolor: the photograph gets new colors, also if it is in color.
    """

    name: str
    data: bytes
    recolor: bool = False

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.data).hexdigest()


def read_sample(name: str) -> PhotoFile:
    """Return the file of a sample."""
    path = SAMPLES[name]
    return PhotoFile(f"{name.lower()}{path.suffix}", path.read_bytes(), recolor=True)


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
        rgb=None if picture.rgb is None else scaled(picture.rgb),
        alpha=None if picture.alpha is None else scaled(picture.alpha),
        deep=None,
        metadata=Metadata(),
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

    def keep_colors(self, data: bytes) -> bytes:
        """Return the bytes of the file with the picture's own colors; `data` are those of its source."""
        return keep_colors(Path(self.name), data, of=self.picture)[0]


def zip_results(
    files: Iterable[PhotoFile], colorizer: SharedColorizer, saturation: float, *, max_bytes: int
) -> bytes:
    """Color photographs and return a zip of the results, the same files that `edgecolor run` writes.

    A second result of the same name gets a number. FAILURES inside the zip lists each photograph that cannot
    be colored, and each result that does not fit.

    Args:
        files: the photographs, in the order of the results.
        colorizer: network that colors them.
        saturation: factor of the colors.
        max_bytes: limit of the results together; FAILURES and the headers of the zip are not counted.
    """
    free_bytes = max_bytes
    failures: list[str] = []
    names: set[str] = set()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:  # without compression: the results are compressed
        for file in files:
            try:
                result = ColoredFile(
                    file.name, parse_picture(file.data, file.name, max_pixels=MAX_UPLOAD_PIXELS)
                )
                gray = result.picture.gray
                if is_in_color(result.picture) and not file.recolor:
                    content = result.keep_colors(file.data)
                else:
                    content = result.encode(colorizer.finish(gray, colorizer.predict(gray), saturation))
            except EdgecolorError as error:
                failures.append(f"{error}\n")
                continue
            if len(content) > free_bytes:
                failures.append(f"{file.name}: the zip file is full; download this photograph by itself\n")
                continue
            free_bytes -= len(content)
            name = _unused_name(Path(result.name).name, names)
            names.add(name)
            archive.writestr(name, content)
        if failures:
            archive.writestr(FAILURES, "".join(failures))
    return data.getvalue()


def _unused_name(name: str, used: set[str]) -> str:
    path, number = Path(name), 1
    while name in used:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    return name


def describe_training(model: ModelFile) -> str:
    """Return the training data that a model file states, in a few words."""
    training = model.info.training
    photographs = training.get("photographs") if isinstance(training, dict) else None
    return f"{photographs:,} photographs" if isinstance(photographs, int) else "not stated"
