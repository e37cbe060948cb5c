"""The accuracy that `tune` compares: PSNR on the val photographs of a prepared dataset.

Both pictures are compared at 56 x 56, the size of the predicted color. Their gray is the same, and finer
pixels would add nothing to the difference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgecolor.data.dataset import Dataset, Split
from edgecolor.evaluation.color_plane import SHARES
from edgecolor.evaluation.metrics import psnr
from edgecolor.evaluation.scores import Difference
from edgecolor.tflite.model import TfliteModel
from edgecolor.training.loss import colorfulness
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_rgb
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.signature import AB_SCALE

COLORFULNESS_SHARE = SHARES["g56"]  # of the originals' mean colorfulness

Decibels = NDArray[np.float64]


def val_psnr(flatbuffer: bytes, data: Dataset) -> Decibels:
    """Return the PSNR of each val photograph, colored by a TFLite file.

    All photographs get the one saturation that gives them 56 % of the originals' mean colorfulness. A paler
    network therefore has no advantage.

    Args:
        flatbuffer: the exported network.
        data: a prepared dataset with val rows.

    Returns:
        (photographs,), dB.
    """
    rows = data.rows[Split.VAL]
    truth = data.ab[rows].astype(np.float32)
    predicted = TfliteModel(flatbuffer).outputs(data.luma[rows]) * np.float32(AB_SCALE)
    original, own = (np.asarray(colorfulness(ab / np.float32(AB_SCALE))).mean() for ab in (truth, predicted))
    predicted *= np.float32(COLORFULNESS_SHARE * original / own)
    pairs = zip(_pictures(data, rows, predicted), _pictures(data, rows, truth), strict=True)
    return np.array([psnr(a, b) for a, b in pairs])


def _pictures(data: Dataset, rows: NDArray[np.int64], ab: F32) -> Iterator[U8]:
    for row, color in zip(rows, ab, strict=True):
        lightness = block_mean(LIGHTNESS_OF_LUMA[data.lightness[row]])[..., None]
        yield np.rint(lab_to_rgb(np.concatenate([lightness, color], axis=-1))).astype(np.uint8)


def difference(first: Decibels, second: Decibels) -> Difference:
    """Return first minus second, paired by photograph: the mean, and its standard error."""
    gap = first - second
    error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else float("inf")
    return Difference(float(gap.mean()), float(error))
