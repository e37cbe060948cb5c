"""Normalize the frames of a video alike: tones follow slowly, the mount stays, and a cut starts afresh.

Measured on each frame alone, tones change with whatever enters the picture, and all its colors change with
them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.inference.normalization import Box, Normalization, Tones, find_inside, measure_tones

SLOW_WEIGHT = 0.04
"""Weight of a frame's tones if they are nearer together than before: half of a change in 17 frames."""

FAST_WEIGHT = 0.25
"""Weight of a frame's tones if they are farther apart than before; stretched as before, they would clip."""

MOUNT_FRAMES = 25
"""Number of frames in a row with another mount until it counts: the dark of a night comes and goes."""

_MOUNT_PIXELS = 3  # sides of the same mount differ less from frame to frame
_SAMPLE_STEP = 8  # pixels between the samples that show a cut
_CHANGE_LEVELS = 12  # a larger difference of luma is something new, or another exposure
_CUT_SHARE = 0.6  # if more of the picture is new, the scene was cut


class SteadyNormalization:
    """The normalization of one video, frame after frame."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all earlier frames. The next frame is normalized as it measures itself."""
        self._samples: NDArray[np.int16] | None = None
        self._last: Normalization | None = None
        self._other_mounts = 0  # frames in a row with another mount

    def follow(self, seen: U8) -> Normalization:
        """Return the normalization of the next frame, from 8-bit luma of shape (224, 224)."""
        samples = seen[_SAMPLE_STEP // 2 :: _SAMPLE_STEP, _SAMPLE_STEP // 2 :: _SAMPLE_STEP].astype(np.int16)
        before, last = self._samples, self._last
        self._samples = samples
        if before is None or last is None or (abs(samples - before) > _CHANGE_LEVELS).mean() > _CUT_SHARE:
            self._other_mounts = 0
            inside = find_inside(seen)
            self._last = Normalization(inside, measure_tones(seen, inside))
            return self._last
        inside = self._keep_inside(last.inside, find_inside(seen))
        tones = measure_tones(seen, inside)
        if inside == last.inside:
            tones = _approach(last.tones, tones)
        self._last = Normalization(inside, tones)
        return self._last

    def _keep_inside(self, kept: Box, measured: Box) -> Box:
        """Return the inside that was kept, or the measured one if the frames have it for long."""
        is_same = all(abs(a - b) < _MOUNT_PIXELS for a, b in zip(kept, measured, strict=True))
        self._other_mounts = 0 if is_same else self._other_mounts + 1
        if self._other_mounts < MOUNT_FRAMES:
            return kept
        self._other_mounts = 0
        return measured


def _approach(tones: Tones, measured: Tones) -> Tones:
    """Return tones between those of the frames before and those of a frame."""
    black, white = measured.black - tones.black, measured.white - tones.white
    return Tones(
        tones.black + (FAST_WEIGHT if black < 0 else SLOW_WEIGHT) * black,
        tones.white + (FAST_WEIGHT if white > 0 else SLOW_WEIGHT) * white,
    )
