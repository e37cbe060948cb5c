"""The model of a live session: the better one, if this machine colors 25 frames per second with it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from edgecolor_runtime.models.shipped import describe_name

if TYPE_CHECKING:
    from edgecolor_runtime.inference.colorizer import Colorizer

BETTER_MODEL = "m"
FASTER_MODEL = "s"
FRAME_SECONDS = 1 / 25
"""Longest time of a frame at 25 frames per second."""

_MEASURED_FRAMES = 5
_MAX_SECONDS = 0.4  # measure no further frame after this time


@dataclass(frozen=True)
class ModelChoice:
    """The model that a live session uses, and the reason in one sentence.

    Attributes:
        name: name of the shipped model.
        colorizer: the model with its interpreter.
        reason: what was measured and chosen, for the user.
    """

    name: str
    colorizer: Colorizer
    reason: str


def choose_model(open_colorizer: Callable[[str], Colorizer], size: tuple[int, int]) -> ModelChoice:
    """Choose `m` if this machine colors a frame with it in 40 ms, and `s` otherwise.

    The measurement colors a few frames of noise with `m`. It takes less than a second; a slow machine colors
    one frame.

    Args:
        open_colorizer: opens the shipped model of a name.
        size: width and height of a frame in pixels.
    """
    better = open_colorizer(BETTER_MODEL)
    seconds = measure_frame(better, size)
    name = BETTER_MODEL if seconds <= FRAME_SECONDS else FASTER_MODEL
    reason = (
        f"model {describe_name(name)}: with {BETTER_MODEL}, a frame of {size[0]} x {size[1]} takes "
        f"{1000 * seconds:.0f} ms here; 25 frames per second allow {1000 * FRAME_SECONDS:.0f} ms"
    )
    return ModelChoice(name, better if name == BETTER_MODEL else open_colorizer(name), reason)


def measure_frame(colorizer: Colorizer, size: tuple[int, int]) -> float:
    """Return the median time in seconds of coloring a frame, up to the planes that an encoder receives."""
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    gray = Image.fromarray(noise)
    times: list[float] = []
    begun = time.monotonic()
    while len(times) <= _MEASURED_FRAMES and time.monotonic() - begun < _MAX_SECONDS:
        started = time.monotonic()
        colorizer.colorize(gray).to_ycbcr()
        times.append(time.monotonic() - started)
    return statistics.median(times[1:] or times)  # the first frame is slower
