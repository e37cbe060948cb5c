"""How accurate a network's colors are on the val rows of a prepared dataset: what `tune` goes by.

Both pictures are taken at 56 x 56, where color is predicted: the gray is the same in both, so what is finer
adds nothing to their difference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgecolor.data.dataset import Dataset
from edgecolor.evaluation.color_plane import SHARES
from edgecolor.evaluation.metrics import psnr
from edgecolor.evaluation.scores import Difference
from edgecolor.tflite.model import TfliteModel
from edgecolor.training.loss import colorfulness
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_rgb
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.signature import AB_SCALE

SHARE = SHARES["g56"]

Decibels = NDArray[np.float64]


def val_psnr(flatbuffer: bytes, data: Dataset) -> Decibels:
    """PSNR of each val photograph, colored by a TFLite file.

    All are shown at the one saturation that gives them 56 % of the originals' mean colorfulness, so that a
    paler network gains nothing by it.

    Args:
        flatbuffer: of the exported network.
        data: a prepared dataset with val rows.

    Returns:
        (photographs,), dB.
    """
    rows = data.rows["val"]
    truth = data.ab[rows].astype(np.float32)
    answer = TfliteModel(flatbuffer).outputs(data.luma[rows]) * np.float32(AB_SCALE)
    theirs, ours = (np.asarray(colorfulness(ab / np.float32(AB_SCALE))).mean() for ab in (truth, answer))
    answer *= np.float32(SHARE * theirs / ours)
    pairs = zip(_pictures(data, rows, answer), _pictures(data, rows, truth), strict=True)
    return np.array([psnr(a, b) for a, b in pairs])


def _pictures(data: Dataset, rows: NDArray[np.int64], ab: F32) -> Iterator[U8]:
    for row, color in zip(rows, ab, strict=True):
        lightness = block_mean(LIGHTNESS_OF_LUMA[data.lightness[row]])[..., None]
        yield np.rint(lab_to_rgb(np.concatenate([lightness, color], axis=-1))).astype(np.uint8)


def difference(ours: Decibels, theirs: Decibels) -> Difference:
    """Ours minus theirs, photograph by photograph: the mean, and its standard error."""
    gap = ours - theirs
    error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else float("inf")
    return Difference(float(gap.mean()), float(error))
