"""Recolor, then classify: does a classifier see in the colored picture what it saw in the original?

A classifier that was trained on color photographs loses some of its sight in gray. What it says of the
original is the measure: the gap between gray and original is 1, and a coloring recovers a part of it. Two
bounds stand beside: one tint for all pixels, which adds no knowledge, and the true ab at 56 x 56, the most
that a network with this output could do. After Zhang, Isola and Efros, "Colorful Image Colorization", 2016
(arXiv:1603.08511), section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecolor.evaluation.color_plane import Difference, tinted
from edgecolor.evaluation.predictor import finish
from edgecolor_runtime.colors.spaces import F32, U8, rgb_to_lab
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.inference.interpreter import Interpreter, load_interpreter
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.signature import INPUT_SIZE

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What the classifier makes of one version of a photograph."""

    agrees: bool  # its first choice is the one for the original
    probability: float  # that it gives to the first choice for the original


@dataclass(frozen=True)
class Recognized:
    """One photograph in all its versions."""

    original: Seen
    gray: Seen
    tint: Seen
    ours: Seen
    true_ab: Seen


@dataclass(frozen=True)
class Recovery:
    """Shares of the gap between gray and original, 0 to 1, each with its standard error."""

    gray: float  # of the classifier's agreement, or of its probability, in gray
    original: float
    tint: Difference
    ours: Difference
    true_ab: Difference


@dataclass(frozen=True)
class Recognition:
    """Over all photographs, by first choice and by probability."""

    classifier: str
    top1: Recovery | None  # None where gray loses nothing, so that there is no gap
    probability: Recovery | None


class Classifier:
    """An ImageNet classifier as a TFLite file."""

    def __init__(self, name: str, interpreter: Interpreter) -> None:
        """Takes a graph of (1, 224, 224, 3) to (1, classes).

        Raises:
            ModelFileError: another signature; says the shapes found and expected.
        """
        entry, result = interpreter.input, interpreter.output
        if entry.shape != (1, INPUT_SIZE, INPUT_SIZE, 3) or len(result.shape) != 2 or result.shape[1] < 2:
            raise ModelFileError(
                f"{name}: the signature is {entry.shape} -> {result.shape}; expected "
                f"(1, {INPUT_SIZE}, {INPUT_SIZE}, 3) -> (1, classes) of a classifier."
            )
        self.name = name
        self._interpreter = interpreter

    @classmethod
    def open(cls, path: Path) -> Classifier:
        """Opens a file.

        Raises:
            ModelFileError: no such file, or not a classifier.
        """
        if not path.is_file():
            raise ModelFileError(f"{path}: no such file. Name a classifier's .tflite.")
        return cls(path.name, load_interpreter(path.read_bytes()))

    def __call__(self, rgb: U8) -> Numbers:
        """Probabilities of the classes, (classes,), for 8-bit RGB (224, 224, 3)."""
        info = self._interpreter.output
        out = self._interpreter(self._input(rgb))[0].astype(np.float64)
        if info.scale:
            out = (out - info.zero_point) * info.scale
        if out.min() >= 0 and out.sum() < 1.5:  # it ends with a softmax, but for rounding
            return np.asarray(out)
        weights = np.exp(out - out.max())
        return np.asarray(weights / weights.sum())

    def _input(self, rgb: U8) -> NDArray[np.generic]:
        info = self._interpreter.input
        signed = rgb.astype(np.float32)[None] / np.float32(127.5) - 1  # what MobileNet was trained on
        if not info.scale:
            return signed
        # A graph whose integers span about 1 takes [0, 1]; MobileNet's span 2.
        values = signed if 255 * info.scale > 1.5 else (signed + 1) / 2
        limits = np.iinfo(info.dtype)
        steps = np.rint(values / np.float32(info.scale)) + info.zero_point
        return np.asarray(np.clip(steps, limits.min, limits.max).astype(info.dtype))


def recognize(classifier: Classifier, original: U8, gray: U8, finished: U8, tint: F32) -> Recognized:
    """Shows the classifier all versions of one photograph.

    Args:
        classifier: what looks.
        original: 8-bit RGB (224, 224, 3).
        gray: (224, 224), what the model was given.
        finished: (224, 224, 3), what it made of it.
        tint: (2,), the mean ab of the set, Lab units.
    """
    ab = rgb_to_lab(original)[..., 1:]
    true_ab = np.stack([block_mean(ab[..., i]) for i in (0, 1)], axis=-1)
    versions = {
        "original": original,
        "gray": np.repeat(gray[..., None], 3, axis=-1),
        "tint": tinted(gray, tint),
        "ours": finished,
        "true_ab": finish(gray, true_ab, 1.0),
    }
    said = {name: classifier(picture) for name, picture in versions.items()}
    first = int(said["original"].argmax())
    return Recognized(**{name: Seen(int(p.argmax()) == first, float(p[first])) for name, p in said.items()})


def recognition(classifier: str, photographs: Sequence[Recognized]) -> Recognition:
    """How much of the gap each version recovers."""

    def recovery(figure: str) -> Recovery | None:
        values = {
            name: np.array([float(getattr(getattr(p, name), figure)) for p in photographs])
            for name in ("original", "gray", "tint", "ours", "true_ab")
        }
        gap = values["original"] - values["gray"]
        if gap.mean() <= 0:
            return None
        return Recovery(
            gray=float(values["gray"].mean()),
            original=float(values["original"].mean()),
            **{name: _share(values[name] - values["gray"], gap) for name in ("tint", "ours", "true_ab")},
        )

    return Recognition(classifier, top1=recovery("agrees"), probability=recovery("probability"))


def _share(gained: Numbers, gap: Numbers) -> Difference:
    """Ratio of two means over the same photographs, and its standard error to first order."""
    share = gained.mean() / gap.mean()
    scatter = (gained - share * gap).std(ddof=1) if len(gap) > 1 else np.inf
    return Difference(float(share), float(scatter / np.sqrt(len(gap)) / gap.mean()))
