"""Choose the pictures of the check set that become golden vectors: two that fit into the file."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.models.model_file import MAX_GOLDEN_BYTES, Golden

GOLDEN_PICTURES = 2
MAX_PICTURE_BYTES = (MAX_GOLDEN_BYTES - 2000) // GOLDEN_PICTURES
"""Bytes of one picture with its outputs; the other 2,000 are for the archive around the pictures."""


def choose_golden(gray: U8, reference: F32, exported: NDArray[Any]) -> Golden:
    """Choose the picture with the warmest outputs and the one with the coldest among those that fit.

    Warm and cold outputs together drive both channels to both sides, which shows an error of sign, order or
    scale. If fewer than two pictures fit, the smallest one is chosen: float outputs and noisy pictures
    compress badly.

    Args:
        gray: uint8 (n, 224, 224).
        reference: float32 (n, 56, 56, 2), the outputs of the float network.
        exported: int8 or float32 (n, 56, 56, 2), the raw outputs of the exported graph.
    """
    sizes = np.array([_compressed_size(*arrays) for arrays in zip(gray, reference, exported, strict=True)])
    fitting = np.flatnonzero(sizes <= MAX_PICTURE_BYTES)
    if len(fitting) < GOLDEN_PICTURES:
        rows = np.array([sizes.argmin()])
    else:
        warmth = reference[fitting].mean(axis=(1, 2, 3))
        rows = fitting[[warmth.argmax(), warmth.argmin()]]
    return Golden(gray[rows], reference[rows].astype(np.float16).astype(np.float32), exported[rows])


def _compressed_size(gray: U8, reference: F32, exported: NDArray[Any]) -> int:
    return sum(len(zlib.compress(a.tobytes(), 6)) for a in (gray, reference.astype(np.float16), exported))
