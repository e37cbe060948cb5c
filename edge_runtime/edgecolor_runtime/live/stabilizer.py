"""Calm colors in a video: averaged over time where the picture stands, followed at once where it moves.

The network sees each frame alone, and answers sensor noise, or something that moves elsewhere in the picture,
with small changes of color everywhere. In a still region that is flicker.
"""

from __future__ import annotations

import numpy as np

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.preprocess import block_mean

STILL = 0.08  # share of a new frame where nothing moves
_NOISE, _MOTION = 4.0, 12.0  # luma differs by less: noise; by more: motion
_CUT = 0.6  # share of the picture that moves at a scene cut


class Calm:
    """Colors of one video, frame after frame.

    Motion is the difference of luma from its own average over time, in blocks of 4 x 4 pixels of what the
    network sees: there the sensor's noise is a quarter, and what creeps adds up until it counts.
    """

    def __init__(self) -> None:
        self._luma: F32 | None = None
        self._ab: F32 | None = None

    def __call__(self, seen: U8, ab: F32) -> F32:
        """Calms the colors of the next frame.

        Args:
            seen: What the network saw, shape (224, 224).
            ab: What it said, shape (56, 56, 2).

        Returns:
            ab to show instead, shape (56, 56, 2).
        """
        luma = block_mean(seen)
        if self._luma is None or self._ab is None:
            return self._begin(luma, ab)
        change = np.abs(luma - self._luma)
        if (change > _MOTION).mean() > _CUT:
            return self._begin(luma, ab)
        share = ((_widened(change) - _NOISE) / (_MOTION - _NOISE)).clip(STILL, 1).astype(np.float32)
        self._luma = self._luma + share * (luma - self._luma)
        self._ab = self._ab + share[..., None] * (ab - self._ab)
        return self._ab

    def reset(self) -> None:
        """Forgets everything: the next frame stands for itself."""
        self._luma = self._ab = None

    def _begin(self, luma: F32, ab: F32) -> F32:
        self._luma, self._ab = luma, ab
        return ab


def _widened(change: F32) -> F32:
    """The largest value of each 3 x 3 neighborhood: color changes around what moves, too."""
    padded = np.pad(change, 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    largest: F32 = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return largest
