"""Whether a calibration set is like what the network was trained on, by three histograms.

    luminance   of pixels, L*
    contrast    of pictures, the standard deviation of L* over one
    chroma      of pixels, of what the float network answers: a gray camera's set has no true chroma

A bin is reached where the set has at least `REACH` of the training data's share there, so one stray pixel
does not count. Coverage is the share of the training data that lies in reached bins.

Measured with the small model (luminance, contrast, chroma; their mean):

    the 142 pictures of calibration/             1.00  1.00  1.00    1.00
    20 training photographs, taken at random     1.00  0.85  1.00    0.95
    40 training photographs, darkened to night   0.72  0.61  0.99    0.77
    20 frames of one scene                       0.94  0.19  0.95    0.70
    40 training photographs in fog               0.23  0.00  1.00    0.41
    20 black pictures                            0.06  0.00  0.24    0.10

Hence the limits: a camera of its own kind is noted, and only a set with nothing in it is refused.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8
from edgecolor_runtime.errors import GateError, ModelFileError
from edgecolor_runtime.models.info import CalibrationCoverage
from edgecolor_runtime.models.signature import AB_SCALE

EDGES = {
    "luminance": [*range(0, 101, 5)],
    "contrast": [*range(0, 40, 4), 100],
    "chroma": [*range(0, 60, 5), 200],
}
"""Borders of the bins in Lab units; the last bin of contrast and chroma takes all that is above."""

REACH = 0.1
LEAST = 0.2  # mean of the three: under it the set is refused
ENOUGH = 0.7  # of each: under it the set is noted

Histograms = dict[str, list[float]]


def histograms(gray: U8, answers: F32) -> Histograms:
    """The three histograms of a set of pictures.

    Args:
        gray: uint8 (n, 224, 224).
        answers: float32 (n, 56, 56, 2) in [-1, 1], what the float network says to them.

    Returns:
        For each key of `EDGES` the shares of its bins, which sum to 1.
    """
    lightness = LIGHTNESS_OF_LUMA[gray]
    ab = answers * np.float32(AB_SCALE)
    values = {
        "luminance": lightness,
        "contrast": lightness.std(axis=(1, 2)),
        "chroma": np.hypot(ab[..., 0], ab[..., 1]),
    }
    return {name: _shares(values[name], edges) for name, edges in EDGES.items()}


def _shares(values: NDArray[Any], edges: list[int]) -> list[float]:
    counts, _ = np.histogram(values, edges)
    return [round(float(share), 5) for share in counts / counts.sum()]


def compare(own: Histograms, training: Any) -> CalibrationCoverage:
    """How much of the training data a calibration set reaches.

    Args:
        own: of the set, from `histograms`.
        training: of the training data, as the facts beside the model have them.

    Raises:
        ModelFileError: `training` has not the form of `histograms`.
    """
    reached = {}
    for name, shares in own.items():
        try:
            theirs = np.asarray(training[name], dtype=np.float64)
            if theirs.shape != (len(shares),) or not np.isclose(theirs.sum(), 1, atol=0.01):
                raise ValueError
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"the facts beside the model: coverage has no {name} of {len(shares)} shares."
            ) from error
        reached[name] = float(theirs[np.asarray(shares) >= REACH * theirs].sum())
    return CalibrationCoverage(**{name: round(min(share, 1.0), 3) for name, share in reached.items()})


def shortfalls(coverage: CalibrationCoverage) -> str:
    """Return the shares under `ENOUGH`, as "contrast 19 %, ..."; empty if there is none."""
    return ", ".join(f"{name} {share:.0%}" for name, share in asdict(coverage).items() if share < ENOUGH)


def verify_coverage(coverage: CalibrationCoverage) -> None:
    """Refuses a calibration set that has hardly anything of what the network was trained on.

    Raises:
        GateError: the mean of the three shares is under `LEAST`; it says which are low.
    """
    if coverage.mean < LEAST:
        raise GateError(
            f"The calibration set reaches little of what the network was trained on: {shortfalls(coverage)}. "
            "int8 ranges from it would be wrong. Calibrate with pictures of many kinds, dark to bright and "
            "flat to contrasty."
        )
