"""How well a model colors a folder of photographs, and how far an exported file is from its reference.

The finished picture counts: each photograph's gray goes through the model, then the runtime makes an 8-bit
picture of the output, and the color is read back from that picture. `color_plane` then places the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from edgecolor.data.photographs import identify_data, list_photographs
from edgecolor.evaluation.color_plane import PROTOCOL, compute_plane, pair_gains, score_photograph
from edgecolor.evaluation.fidelity import Drift, measure_drift, summarize_fidelity
from edgecolor.evaluation.predictor import Predictor, finish
from edgecolor.evaluation.recognition import (
    Classifier,
    RecognizedPhotograph,
    recognize_photograph,
    summarize_recognition,
)
from edgecolor.evaluation.scores import (
    AS_IS,
    ColoredPhotograph,
    Evaluation,
    LeftOutPhotograph,
    Photograph,
    Score,
)
from edgecolor.support.contact_sheet import contact_sheet
from edgecolor_runtime.colors.spaces import F32, U8, lightness_to_gray, rgb_to_lab
from edgecolor_runtime.errors import DataError, PictureError
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.models.signature import INPUT_SIZE
from edgecolor_runtime.system.machine import count_cores

EXTREMES = 6  # photographs that are named as worst, and as best
CHUNK = 64  # photographs held in memory at a time


def evaluate_predictor(
    model: Predictor,
    folder: Path,
    *,
    reference: Predictor | None = None,
    classifier: Classifier | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_picture: Callable[[ColoredPhotograph], None] | None = None,
) -> Evaluation:
    """Evaluate a model on a folder of color photographs. Those that cannot be read are left out and listed.

    Args:
        model: the model.
        folder: photographs; its subfolders count too.
        reference: the network that `model` was made from; adds `fidelity`. It gets `model`'s saturation.
        classifier: classifies originals and colored pictures; adds `recognition`.
        on_progress: called with the number of photographs done and of all photographs.
        on_picture: called with every photograph and the model's picture of it, in order.

    Raises:
        DataError: there are no photographs, none can be read, or none has color.
    """
    paths = list_photographs(folder)
    saturation = 1.0 if model.saturation is None else model.saturation
    scores: list[Score] = []
    reference_scores: list[Score] = []
    drifts: list[Drift] = []
    recognized: list[RecognizedPhotograph] = []
    with ThreadPoolExecutor(count_cores()) as pool:
        first_reads = dict(zip(paths, pool.map(lambda path: _mean_ab(path, folder), paths), strict=True))
        left_out = tuple(read for read in first_reads.values() if isinstance(read, LeftOutPhotograph))
        means = {path: read for path, read in first_reads.items() if not isinstance(read, LeftOutPhotograph)}
        paths = list(means)
        if not paths:
            raise DataError(f"{folder / left_out[0].name}: {left_out[0].reason}. No photograph can be read.")
        tint: F32 = np.asarray(np.stack(list(means.values())).mean(axis=0))

        def finish_and_score(photograph: Photograph, ab: F32) -> tuple[U8, Score]:
            finished = finish(photograph.gray, ab, saturation)
            original, gray = photograph.rgb, photograph.gray
            return finished, score_photograph(
                photograph.name, original=original, gray=gray, finished=finished, tint=tint
            )

        def drift(photograph: Photograph, outputs: tuple[F32, F32], pictures: tuple[U8, U8]) -> Drift:
            return measure_drift(
                photograph.name,
                ab=outputs[0],
                reference_ab=outputs[1],
                finished=pictures[0],
                reference_finished=pictures[1],
            )

        for start in range(0, len(paths), CHUNK):
            chunk = list(pool.map(lambda path: _read(path, folder), paths[start : start + CHUNK]))
            grays = np.stack([p.gray for p in chunk])
            ab = model.predict(grays)
            pictures: list[U8] = []
            for photograph, (finished, score) in zip(
                chunk, pool.map(finish_and_score, chunk, ab), strict=True
            ):
                scores.append(score)
                pictures.append(finished)
                if classifier:
                    recognized.append(
                        recognize_photograph(
                            classifier, photograph.rgb, gray=photograph.gray, finished=finished, tint=tint
                        )
                    )
                if on_picture:
                    on_picture(ColoredPhotograph(photograph, finished))
            if reference:
                reference_ab = reference.predict(grays)
                placed = list(pool.map(finish_and_score, chunk, reference_ab))
                reference_scores += [score for _, score in placed]
                both_outputs = zip(ab, reference_ab, strict=True)
                both_pictures = zip(pictures, [finished for finished, _ in placed], strict=True)
                drifts += pool.map(drift, chunk, both_outputs, both_pictures)
            if on_progress:
                on_progress(len(scores), len(paths))
    ordered = [s.name for s in sorted(scores, key=lambda s: s.psnr[AS_IS] - s.psnr[0])]
    return Evaluation(
        model=model.name,
        saturation=saturation,
        data=identify_data(folder, without=[entry.name for entry in left_out]),
        plane=compute_plane(scores),
        fidelity=summarize_fidelity(reference.name, drifts, pair_gains(scores, reference_scores))
        if reference
        else None,
        recognition=summarize_recognition(classifier.name, recognized) if classifier else None,
        worst=tuple(ordered[:EXTREMES]),
        best=tuple(ordered[::-1][:EXTREMES]),
        scores=tuple(scores),
        protocol=PROTOCOL,
        left_out=left_out,
    )


def draw_sheet(photographs: Sequence[ColoredPhotograph], *, columns: int = 2) -> Image.Image:
    """Draw gray, ours and original of each photograph, in groups of rows side by side."""
    rows = [
        [Image.fromarray(p) for p in (c.photograph.gray, c.finished, c.photograph.rgb)] for c in photographs
    ]
    return contact_sheet(rows, captions=["gray", "ours", "original"], columns=columns)


def crop_square(photo: Image.Image, size: int = INPUT_SIZE) -> U8:
    """Return the center square of a photograph, bicubic, uint8 (size, size, 3): the input of the protocol."""
    photo = photo.convert("RGB")
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    cut = photo.crop((left, top, left + side, top + side))
    return np.asarray(cut.resize((size, size), Image.Resampling.BICUBIC))


def _read(path: Path, folder: Path) -> Photograph:
    """Read a photograph.

    Raises:
        PictureError: it cannot be read, or is cut off or damaged.
    """
    rgb = crop_square(open_picture(path, strict=True).to_rgb())
    return Photograph(path.relative_to(folder).as_posix(), rgb, lightness_to_gray(rgb_to_lab(rgb)[..., 0]))


def _mean_ab(path: Path, folder: Path) -> F32 | LeftOutPhotograph:
    try:
        return np.asarray(rgb_to_lab(_read(path, folder).rgb)[..., 1:].mean((0, 1)))
    except PictureError as error:
        return LeftOutPhotograph(path.relative_to(folder).as_posix(), str(error).removeprefix(f"{path}: "))
