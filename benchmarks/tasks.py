"""The timed tasks, as functions without arguments. Their names are the rows of the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from frame import gray_frame
from numpy.typing import NDArray
from PIL import Image

from edgecolor.support.timing import Task
from edgecolor_runtime.images.jpeg import encode_jpeg
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.images.writer import save
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.interpreter import Interpreter
from edgecolor_runtime.models.signature import INPUT_SIZE

UNIT = "Pillow YCbCr to RGB"
MERGED = "(a) gray to merged YCbCr"
MERGED_GUIDED = f"{MERGED}, guided"
EXACT = "(a) with chroma exact at every pixel, to RGB"
JPEG = "(b) gray to JPEG bytes"
JPEG_GUIDED = f"{JPEG}, guided"
FRAME_TASKS = (MERGED, MERGED_GUIDED, EXACT, JPEG, JPEG_GUIDED)
PHOTOGRAPH = "photo to photo"


class _Replay:
    """An interpreter that returns one output at once: the task then times the steps around the network."""

    def __init__(self, interpreter: Interpreter, x: NDArray[Any]) -> None:
        self.name, self.input, self.output = "replay", interpreter.input, interpreter.output
        self._output = interpreter(x)

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        return self._output


def frame_tasks(model: Path) -> dict[str, Task]:
    """Return the unit and figures (a) and (b): color a gray frame in memory, without the network."""
    gray = gray_frame()
    guided, bilinear = Colorizer.open(model), Colorizer.open(model, guided=False)
    unit = guided.colorize(gray).to_ycbcr()
    shape, dtype = guided.interpreter.input.shape, guided.interpreter.input.dtype
    random_input = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    guided.interpreter = bilinear.interpreter = _Replay(guided.interpreter, random_input)
    return {
        UNIT: lambda: unit.convert("RGB"),
        MERGED: lambda: bilinear.colorize(gray).to_ycbcr(),
        MERGED_GUIDED: lambda: guided.colorize(gray).to_ycbcr(),
        EXACT: lambda: guided.colorize(gray).to_rgb(),
        JPEG: lambda: encode_jpeg(bilinear.colorize(gray)),
        JPEG_GUIDED: lambda: encode_jpeg(guided.colorize(gray)),
    }


def inference_tasks(models: Mapping[str, Path]) -> dict[str, Task]:
    """Return inference alone, on the frame, for each precision."""
    return {f"invoke {precision}": _inference_task(path) for precision, path in models.items()}


def photograph_task(model: Path, photograph: Path, result: Path) -> dict[str, Task]:
    """Return the coloring of a JPEG file to a JPEG file, with the model loaded."""
    colorizer = Colorizer.open(model)

    def color() -> None:
        picture = open_picture(photograph)
        save(colorizer.colorize(picture.gray), result, of=picture, quality=90, force=True)

    return {PHOTOGRAPH: color}


def _inference_task(path: Path) -> Task:
    interpreter = Colorizer.open(path).interpreter
    shape, dtype = interpreter.input.shape, interpreter.input.dtype
    luma = np.asarray(gray_frame().resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR), np.float32)
    scaled = luma / 127.5 - 1 if dtype == np.float32 else luma - 128
    x = scaled.reshape(shape).astype(dtype)
    return lambda: interpreter(x)
