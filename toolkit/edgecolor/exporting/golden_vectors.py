"""Which pictures of the check set become golden vectors: few, telling, small enough for the file."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.models.model_file import MAX_GOLDEN_BYTES, Golden

PICTURES = 2
BUDGET = (MAX_GOLDEN_BYTES - 2000) // PICTURES  # bytes a picture; the rest is for the archive around them


def choose_golden(gray: U8, reference: F32, exported: NDArray[Any]) -> Golden:
    """Takes the picture with the warmest and the one with the coldest outputs among those that fit.

    Warm and cold together drive both channels to both sides, so that an error of sign, order or scale shows.
    Where no two fit (float outputs pack badly, and so do noisy pictures), the smallest one is taken.

    Args:
        gray: uint8 (n, 224, 224).
        reference: float32 (n, 56, 56, 2), the float network's outputs.
        exported: int8 or float32 (n, 56, 56, 2), raw outputs of the exported graph.
    """
    sizes = np.array([_packed(*arrays) for arrays in zip(gray, reference, exported, strict=True)])
    fitting = np.flatnonzero(sizes <= BUDGET)
    if len(fitting) < PICTURES:
        rows = np.array([sizes.argmin()])
    else:
        warmth = reference[fitting].mean(axis=(1, 2, 3))
        rows = fitting[[warmth.argmax(), warmth.argmin()]]
    return Golden(gray[rows], reference[rows].astype(np.float16).astype(np.float32), exported[rows])


def _packed(gray: U8, reference: F32, exported: NDArray[Any]) -> int:
    return sum(len(zlib.compress(a.tobytes(), 6)) for a in (gray, reference.astype(np.float16), exported))
