"""Which gray values of more than 8 bits become black and white. Cameras use a small part of their range.

A thermal camera (Lepton, Boson) uses 1,000 of 65,536 values, and a camera of 10 bits in 16 uses 1,024. Scaled
by the range of the type, their pictures are a flat field. The levels follow the picture, as in every viewer
of such cameras: at once if it needs a wider range, slowly if a narrower one is enough.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import UsageError

_TAILS_PERCENT = (0.2, 99.8)  # darker and brighter samples are clipped; a few hot pixels decide nothing
_SAMPLED_PIXELS = 20_000  # enough for percentiles
_WHOLE_SHARE = 1 / 4  # a picture that spans more of its type's range uses the type's range
_PART_SHARE = 1 / 8  # ... until a picture spans less than this
_SMALLEST_SHARE = 1 / 512  # a narrower range would show noise
_WIDEN_SECONDS = 0.2  # time constants
_NARROW_SECONDS = 4.0


def parse_range(text: str) -> tuple[float, float]:
    """Return the two numbers of a range such as 7200:8100.

    Raises:
        UsageError: the text is not LOW:HIGH with LOW below HIGH.
    """
    low, _, high = text.partition(":")
    try:
        limits = float(low), float(high)
    except ValueError:
        limits = 0.0, 0.0
    if not (math.isfinite(limits[0]) and math.isfinite(limits[1]) and limits[0] < limits[1]):
        raise UsageError(f"range {text}: write it as LOW:HIGH, two numbers, such as 7200:8100")
    return limits


class GrayLevels:
    """Scales the deep gray of one camera or video to 8 bits. The levels change smoothly over time.

    Args:
        fixed: the samples that become black and white; None: they follow the pictures.

    Attributes:
        note: what the user should know about the levels; None while there is nothing to know.
    """

    def __init__(self, fixed: tuple[float, float] | None = None) -> None:
        self.fixed = fixed
        self.note: str | None = None
        self._low, self._high = fixed or (0.0, 0.0)
        self._seconds: float | None = None
        self._is_whole = False

    def scale(self, samples: NDArray[np.uint16], white: int, seconds: float) -> U8:
        """Return a picture in 8 bits.

        Args:
            samples: the picture, shape (h, w).
            white: largest value of the type: 1,023 for 10 bits, 65,535 for 16 bits.
            seconds: when the picture was taken, on any clock that only grows.
        """
        if self.fixed is None:
            self._follow(samples, white, seconds)
        steps = np.arange(white + 1, dtype=np.float32)
        table = np.rint((steps - self._low) * (255 / (self._high - self._low))).clip(0, 255).astype(np.uint8)
        scaled: U8 = table[np.minimum(samples, white)]
        return scaled

    def pass_by(self) -> None:
        """Take note of a picture of 8 bits, which has no levels to choose."""
        if self.fixed is not None:
            self.note = "its gray has 8 bits, so that --range has no effect"

    def _follow(self, samples: NDArray[np.uint16], white: int, seconds: float) -> None:
        low, high = self._target(samples, white)
        if self._seconds is None:
            self._low, self._high = low, high
        else:
            passed = max(0.0, seconds - self._seconds)
            self._low = _approach(self._low, low, passed, widens=low < self._low)
            self._high = _approach(self._high, high, passed, widens=high > self._high)
        self._seconds = seconds
        if self.note is None and not self._is_whole:
            self.note = (
                f"its gray values from {low:.0f} to {high:.0f} become black to white, and this range follows "
                "the picture; --range LOW:HIGH fixes it"
            )

    def _target(self, samples: NDArray[np.uint16], white: int) -> tuple[float, float]:
        """Return the levels that fit one picture."""
        step = max(1, math.isqrt(samples.size // _SAMPLED_PIXELS))
        low, high = (float(value) for value in np.percentile(samples[::step, ::step], _TAILS_PERCENT))
        self._is_whole = high - low > white * (_PART_SHARE if self._is_whole else _WHOLE_SHARE)
        if self._is_whole:
            return 0.0, float(white)
        missing = max(0.0, white * _SMALLEST_SHARE - (high - low))
        low = min(max(0.0, low - missing / 2), white - (high - low) - missing)
        return low, low + max(high - low, white * _SMALLEST_SHARE)


def _approach(value: float, target: float, seconds: float, *, widens: bool) -> float:
    constant = _WIDEN_SECONDS if widens else _NARROW_SECONDS
    return value + (target - value) * (1 - math.exp(-seconds / constant))
