"""Stable colors in a video: the colors of earlier frames follow the motion of the luma.

The network colors each frame alone. Sensor noise, or something that moves elsewhere in the picture, changes
its predictions a little everywhere, which is visible as flicker. The stabilizer moves the colors shown before
along the optical flow and lets each new prediction in slowly. Where the flow does not explain the picture,
the new prediction is shown at once.
"""

from __future__ import annotations

import numpy as np

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.live.motion import estimate_flow, leaves_frame, move, window_mean

STILL_WEIGHT = 0.04
"""Weight of the prediction of one frame where the picture is the one before, moved."""

_NOISE_LEVELS = 5.0  # a smaller difference between the moved frame and the new one is noise
_CHANGE_LEVELS = 14.0  # a larger difference is something new
_DRIFT_GAIN = 1.25  # a slow change counts more than its levels, because its mean has less noise
_CUT_SHARE = 0.6  # if more of the picture is new, the scene was cut
_CARRIED_SHARE = 0.3  # if more of the picture is new, the network must color it
_EXPOSURE_STEP = 0.03  # a smaller relative change of all luma is not a step of the camera's exposure
_FLOW_GAIN = 0.5  # levels by which the flow must explain a pixel better than no motion

_AB, _LUMA, _KNOWN = slice(0, 2), 2, 3  # planes of the memory


class Stabilizer:
    """Keeps the colors of one video stable.

    The memory has four planes at the size of the colors: ab, the luma that belongs to it, and the share of
    each pixel that a prediction has covered since the pixel appeared. All planes move with the picture. The
    luma is an average over time, so slow changes of light add up until they count as change.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all earlier frames. The next frame is shown as the network predicts it."""
        self._luma: F32 | None = None
        self._memory: F32 | None = None
        self._kept = 1.0  # weight of the memory against the next prediction

    def stabilize(self, seen: U8, ab: F32) -> F32:
        """Return the colors to show for the next frame, of which there is a prediction.

        Args:
            seen: input of the network, 8-bit luma, shape (224, 224).
            ab: output of the network in Lab units, shape (56, 56, 2).

        Returns:
            The stabilized ab, shape (56, 56, 2).
        """
        memory = self._follow(seen)
        predicted = np.moveaxis(ab, -1, 0)
        if memory is None:
            luma = block_mean(seen)[None]
            self._memory = memory = np.concatenate([predicted, luma, np.ones_like(luma)])
        else:
            memory[_AB] += np.maximum(1 - memory[_KNOWN], 1 - self._kept) * (predicted - memory[_AB])
            memory[_KNOWN] = 1
        self._kept = 1.0
        return np.moveaxis(memory[_AB], 0, -1)

    def carry(self, seen: U8) -> F32 | None:
        """Return the colors to show for the next frame, of which there is no prediction.

        Args:
            seen: what the network would see, 8-bit luma, shape (224, 224).

        Returns:
            The colors shown before, moved with the picture, shape (56, 56, 2). None: too much of the picture
            is new. Then call `stabilize` with a prediction of the same frame.
        """
        memory = self._follow(seen)
        if memory is None or memory[_KNOWN].mean() < 1 - _CARRIED_SHARE:
            return None
        return np.moveaxis(memory[_AB], 0, -1)

    def _follow(self, seen: U8) -> F32 | None:
        """Move the memory to the next frame, and return it; None if there is none or the scene was cut."""
        before, now = self._luma, block_mean(seen, 2)
        self._luma = now
        if before is None or self._memory is None:
            return None
        gain = _exposure_gain(before, now)
        flow, difference = _choose_flow(before * gain, now)
        memory = move(self._memory, flow)
        memory[_LUMA] *= gain
        luma = block_mean(now, 2)
        drift = np.abs(window_mean((memory[_LUMA] - luma)[None], 2)[0])
        change = (np.maximum(difference, _DRIFT_GAIN * drift) - _NOISE_LEVELS) / (
            _CHANGE_LEVELS - _NOISE_LEVELS
        )
        if (change > 1).mean() > _CUT_SHARE:
            self._memory = None
            return None
        change = change.clip(0, 1).astype(np.float32)
        change[leaves_frame(flow)] = 1
        memory[_LUMA] += np.maximum(change, STILL_WEIGHT) * (luma - memory[_LUMA])
        memory[_KNOWN] *= 1 - change
        self._kept *= 1 - STILL_WEIGHT
        self._memory = memory
        return memory


def _choose_flow(before: F32, now: F32) -> tuple[F32, F32]:
    """Return the flow at the size of the colors, and what it leaves unexplained.

    Beside a moving thing, the windows of the flow see its motion, too. There, no motion explains the picture
    better, and is taken.

    Args:
        before: luma of the frame before, shape (112, 112).
        now: luma of the frame, same shape.

    Returns:
        The flow in pixels of the colors, shape (2, 56, 56), and the mean difference between the moved frame
        and the new one around each pixel, in levels, shape (56, 56).
    """
    flow = estimate_flow(before, now)
    moved = _mean_difference(move(before[None], flow)[0], now)
    unmoved = _mean_difference(before, now)
    is_still = unmoved < moved + _FLOW_GAIN
    small_flow = block_mean(flow, 2) * np.float32(0.5)
    small_flow[:, is_still] = 0
    return small_flow, np.minimum(moved, unmoved)


def _mean_difference(one: F32, other: F32) -> F32:
    """Return the mean absolute difference around each pixel of the colors, shape (56, 56)."""
    return block_mean(window_mean(np.abs(one - other)[None], 1)[0], 2)


def _exposure_gain(before: F32, now: F32) -> np.float32:
    """Return the factor of a step of exposure between two frames; 1 if there was none."""
    gain = np.median((block_mean(now, 4) + 1) / (block_mean(before, 4) + 1))
    return np.float32(gain if abs(gain - 1) > _EXPOSURE_STEP else 1)
