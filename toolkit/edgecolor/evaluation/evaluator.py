"""How well a model colors a folder of photographs, and how far an exported file strays from its reference.

What counts is the finished picture: each photograph's gray goes through the model, then through the runtime's
own way to an 8-bit picture, and the color is read back from that. `plane` then places it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from edgecolor.data.photographs import DataId, identify_data, list_photographs
from edgecolor.evaluation.color_plane import AS_IS, PROTOCOL, Plane, Score, paired, plane, score
from edgecolor.evaluation.fidelity import Fidelity, _Drift, _drift, _fidelity
from edgecolor.evaluation.predictor import Predictor, finish
from edgecolor.evaluation.recognition import Classifier, Recognition, Recognized, recognition, recognize
from edgecolor.support.contact_sheet import contact_sheet
from edgecolor_runtime.colors.spaces import F32, U8, lightness_to_gray, rgb_to_lab
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.models.signature import INPUT_SIZE
from edgecolor_runtime.system.machine import cores

EXTREMES = 6  # photographs that are named as worst, and as best
CHUNK = 64  # photographs held in memory at a time


class Photograph(NamedTuple):
    """One photograph as the protocol sees it: rgb uint8 (224, 224, 3), gray uint8 (224, 224)."""

    name: str
    rgb: U8
    gray: U8


class Shown(NamedTuple):
    """A photograph and what a model made of it, finished uint8 (224, 224, 3)."""

    photograph: Photograph
    finished: U8


@dataclass(frozen=True)
class Evaluation:
    """The result, with what is needed to repeat it."""

    model: str
    saturation: float  # the model's own gain, which is 1 on the plane
    data: DataId
    plane: Plane
    fidelity: Fidelity | None
    recognition: Recognition | None
    worst: tuple[str, ...]  # names of the photographs that gain least over gray at saturation 1, worst first
    best: tuple[str, ...]  # and most, best first
    scores: tuple[Score, ...]
    protocol: str = PROTOCOL

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers; figures to five decimals, None for one that is not finite."""
        return dict(_plain(asdict(self)))


def evaluate(
    model: Predictor,
    folder: Path,
    *,
    reference: Predictor | None = None,
    classifier: Classifier | None = None,
    progress: Callable[[int, int], None] | None = None,
    show: Callable[[Shown], None] | None = None,
) -> Evaluation:
    """Places a model on the color plane.

    Args:
        model: what colors.
        folder: of photographs; its subfolders count too.
        reference: what `model` was made from; gives `fidelity`. It is finished with `model`'s saturation.
        classifier: recognizes originals and colored pictures; gives `recognition`.
        progress: called with photographs done and photographs in all.
        show: called with every photograph and the model's picture of it, in order.

    Raises:
        DataError: no photographs, an unreadable one, or none with color.
    """
    paths = list_photographs(folder)
    saturation = 1.0 if model.saturation is None else model.saturation
    scores: list[Score] = []
    reference_scores: list[Score] = []
    drifts: list[_Drift] = []
    recognized: list[Recognized] = []
    with ThreadPoolExecutor(cores()) as pool:
        means = np.stack(list(pool.map(lambda path: _mean_ab(path, folder), paths)))
        tint: F32 = np.asarray(means.mean(axis=0))

        def place(chunk: Sequence[Photograph], ab: F32) -> Iterator[tuple[U8, Score]]:
            def one(photograph: Photograph, predicted: F32) -> tuple[U8, Score]:
                finished = finish(photograph.gray, predicted, saturation)
                return finished, score(photograph.name, photograph.rgb, photograph.gray, finished, tint)

            return pool.map(one, chunk, ab)

        for start in range(0, len(paths), CHUNK):
            chunk = list(pool.map(lambda path: _read(path, folder), paths[start : start + CHUNK]))
            grays = np.stack([p.gray for p in chunk])
            ab = model.predict(grays)
            ours: list[U8] = []
            for photograph, (finished, placed) in zip(chunk, place(chunk, ab), strict=True):
                scores.append(placed)
                ours.append(finished)
                if classifier:
                    recognized.append(recognize(classifier, photograph.rgb, photograph.gray, finished, tint))
                if show:
                    show(Shown(photograph, finished))
            if reference:
                true_ab = reference.predict(grays)
                theirs = list(place(chunk, true_ab))
                reference_scores += [placed for _, placed in theirs]
                names, pictures = [p.name for p in chunk], [finished for finished, _ in theirs]
                drifts += pool.map(_drift, names, ab, true_ab, ours, pictures)
            if progress:
                progress(len(scores), len(paths))
    ordered = [s.name for s in sorted(scores, key=lambda s: s.psnr[AS_IS] - s.psnr[0])]
    return Evaluation(
        model=model.name,
        saturation=saturation,
        data=identify_data(folder),
        plane=plane(scores),
        fidelity=_fidelity(reference.name, drifts, paired(scores, reference_scores)) if reference else None,
        recognition=recognition(classifier.name, recognized) if classifier else None,
        worst=tuple(ordered[:EXTREMES]),
        best=tuple(ordered[::-1][:EXTREMES]),
        scores=tuple(scores),
    )


def sheet_of(shown: Sequence[Shown], *, columns: int = 2) -> Image.Image:
    """Gray, ours and original of each photograph, in groups of rows side by side."""
    rows = [[Image.fromarray(p) for p in (s.photograph.gray, s.finished, s.photograph.rgb)] for s in shown]
    return contact_sheet(rows, captions=["gray", "ours", "original"], columns=columns)


def square(photo: Image.Image, size: int = INPUT_SIZE) -> U8:
    """The protocol's view of a photograph: center square, bicubic, uint8 (size, size, 3)."""
    photo = photo.convert("RGB")
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    cut = photo.crop((left, top, left + side, top + side))
    return np.asarray(cut.resize((size, size), Image.Resampling.BICUBIC))


def _read(path: Path, folder: Path) -> Photograph:
    try:
        with Image.open(path) as file:
            rgb = square(ImageOps.exif_transpose(file))
    except Exception as error:  # Pillow raises anything on a damaged file
        raise DataError(f"{path}: not a readable picture. Repair it or take it out of the folder.") from error
    return Photograph(path.relative_to(folder).as_posix(), rgb, lightness_to_gray(rgb_to_lab(rgb)[..., 0]))


def _mean_ab(path: Path, folder: Path) -> F32:
    return np.asarray(rgb_to_lab(_read(path, folder).rgb)[..., 1:].mean((0, 1)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None  # the error of a mean of one
    return value
