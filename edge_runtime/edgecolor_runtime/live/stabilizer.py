"""Stable colors in a video: averaged over time where the picture stands still, fresh where it moves.

The network colors each frame alone. Sensor noise, or something that moves elsewhere in the picture, changes
its predictions a little everywhere. In a still region that is visible as flicker.
"""

from __future__ import annotations

import numpy as np

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.preprocess import block_mean

STILL_WEIGHT = 0.08
"""Weight of a new frame in the average where nothing moves."""

_NOISE_LEVELS = 4.0  # a smaller difference of luma is noise
_MOTION_LEVELS = 12.0  # a larger difference of luma is motion
_CUT_SHARE = 0.6  # if more of the picture moves, the scene was cut


class Stabilizer:
    """Averages the predicted colors of one video over time.

    Motion is the difference between the luma and its own average over time. It is measured in blocks of 4 x 4
    pixels of the network's input: sensor noise is a quarter there, and slow changes add up until they count.
    """

    def __init__(self) -> None:
        self._luma: F32 | None = None
        self._ab: F32 | None = None

    def stabilize(self, seen: U8, ab: F32) -> F32:
        """Return the colors to show for the next frame.

        Args:
            seen: input of the network, 8-bit luma, shape (224, 224).
            ab: output of the network in Lab units, shape (56, 56, 2).

        Returns:
            The stabilized ab, shape (56, 56, 2).
        """
        luma = block_mean(seen)
        if self._luma is None or self._ab is None:
            return self._start(luma, ab)
        change = np.abs(luma - self._luma)
        if (change > _MOTION_LEVELS).mean() > _CUT_SHARE:
            return self._start(luma, ab)
        motion = (_widen(change) - _NOISE_LEVELS) / (_MOTION_LEVELS - _NOISE_LEVELS)
        weight = motion.clip(STILL_WEIGHT, 1).astype(np.float32)
        self._luma = self._luma + weight * (luma - self._luma)
        self._ab = self._ab + weight[..., None] * (ab - self._ab)
        return self._ab

    def reset(self) -> None:
        """Forget all earlier frames. The next frame is shown as the network predicts it."""
        self._luma = self._ab = None

    def _start(self, luma: F32, ab: F32) -> F32:
        self._luma, self._ab = luma, ab
        return ab


def _widen(change: F32) -> F32:
    """Return the largest value of each 3 x 3 neighborhood: colors change around moving things, too."""
    padded = np.pad(change, 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    largest: F32 = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return largest
