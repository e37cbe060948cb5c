"""Recolor, then classify: does a classifier recognize in the colored picture what is in the original?

A classifier that was trained on color photographs recognizes less in gray. Its first choice for the original
counts as the truth. The gap between gray and original is 1, and a coloring recovers a part of it. Two bounds
are measured with it: one tint for all pixels, which adds no knowledge, and the true ab at 56 x 56, the best
that a network with this output can do. After Zhang, Isola and Efros, "Colorful Image Colorization", 2016
(arXiv:1603.08511), section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecolor.evaluation.color_plane import tinted
from edgecolor.evaluation.predictor import finish
from edgecolor.evaluation.scores import Difference, Recognition, Recovery
from edgecolor_runtime.colors.spaces import F32, U8, rgb_to_lab
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.inference.interpreter import Interpreter, load_interpreter
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.signature import INPUT_SIZE

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """The classifier's answer to one version of a photograph.

    Attributes:
        agrees: its first choice is the one for the original.
        probability: of the first choice for the original.
    """

    agrees: bool
    probability: float


@dataclass(frozen=True)
class RecognizedPhotograph:
    """The classifier's answers to all versions of one photograph."""

    original: Answer
    gray: Answer
    tint: Answer
    ours: Answer
    true_ab: Answer


class Classifier:
    """An ImageNet classifier as a TFLite file."""

    def __init__(self, name: str, interpreter: Interpreter) -> None:
        """Keep a graph of (1, 224, 224, 3) to (1, classes).

        Raises:
            ModelFileError: the graph has another signature.
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
        """Open a .tflite file.

        Raises:
            ModelFileError: there is no such file, or it is not a classifier.
        """
        if not path.is_file():
            raise ModelFileError(f"{path}: no such file. Name the .tflite file of a classifier.")
        return cls(path.name, load_interpreter(path.read_bytes()))

    def __call__(self, rgb: U8) -> Numbers:
        """Return the probabilities of the classes, shape (classes,), for 8-bit RGB (224, 224, 3)."""
        info = self._interpreter.output
        out = self._interpreter(self._input(rgb))[0].astype(np.float64)
        if info.scale:
            out = (out - info.zero_point) * info.scale
        if out.min() >= 0 and out.sum() < 1.5:  # the graph ends with a softmax; rounding moves its sum
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


def recognize_photograph(
    classifier: Classifier, original: U8, *, gray: U8, finished: U8, tint: F32
) -> RecognizedPhotograph:
    """Classify all versions of one photograph.

    Args:
        classifier: the classifier.
        original: 8-bit RGB (224, 224, 3).
        gray: 8-bit luma (224, 224), the input of the model.
        finished: 8-bit RGB (224, 224, 3), the picture that the model colored.
        tint: mean ab of the set in Lab units, shape (2,).
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
    probabilities = {name: classifier(picture) for name, picture in versions.items()}
    first = int(probabilities["original"].argmax())
    answers = {name: Answer(int(p.argmax()) == first, float(p[first])) for name, p in probabilities.items()}
    return RecognizedPhotograph(**answers)


def summarize_recognition(classifier: str, photographs: Sequence[RecognizedPhotograph]) -> Recognition:
    """Return how much of the gap each version recovers.

    Args:
        classifier: name of the classifier.
        photographs: its answers.
    """

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
    """Return the ratio of two means over the same photographs, and its standard error to first order."""
    share = gained.mean() / gap.mean()
    scatter = (gained - share * gap).std(ddof=1) if len(gap) > 1 else np.inf
    return Difference(float(share), float(scatter / np.sqrt(len(gap)) / gap.mean()))
