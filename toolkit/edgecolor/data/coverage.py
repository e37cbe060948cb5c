"""Whether a calibration set resembles the training data, by three histograms.

    luminance   L* of pixels
    contrast    standard deviation of L* over a picture, of pictures
    chroma      of pixels of the float network's output: the pictures of a gray camera have no true chroma

A bin counts as reached if the set has at least `REACHED_SHARE` of the training data's share there; a single
stray pixel does not count. Coverage is the share of the training data that lies in reached bins.

Measured with the small model (luminance, contrast, chroma; their mean):

    the 142 pictures of calibration/             1.00  1.00  1.00    1.00
    20 training photographs, chosen at random    1.00  0.85  1.00    0.95
    40 training photographs, darkened to night   0.72  0.61  0.99    0.77
    20 frames of one scene                       0.94  0.19  0.95    0.70
    40 training photographs in fog               0.23  0.00  1.00    0.41
    20 black pictures                            0.06  0.00  0.24    0.10

The limits follow from these figures: the set of an unusual camera gets a note, and only a set with hardly any
content is refused.
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

BIN_EDGES = {
    "luminance": [*range(0, 101, 5)],
    "contrast": [*range(0, 40, 4), 100],
    "chroma": [*range(0, 60, 5), 200],
}
"""Edges of the bins in Lab units; the last bin of contrast and chroma has all values above its lower edge."""

REACHED_SHARE = 0.1
MIN_MEAN_COVERAGE = 0.2  # mean of the three shares; a set below is refused
MIN_COVERAGE = 0.7  # of each share; a set below gets a note

Histograms = dict[str, list[float]]


def build_histograms(gray: U8, predicted: F32) -> Histograms:
    """Return the three histograms of a set of pictures.

    Args:
        gray: uint8 (n, 224, 224).
        predicted: float32 (n, 56, 56, 2) in [-1, 1], the output of the float network for the pictures.

    Returns:
        The shares of the bins for each key of `BIN_EDGES`; they sum to 1.
    """
    lightness = LIGHTNESS_OF_LUMA[gray]
    ab = predicted * np.float32(AB_SCALE)
    values = {
        "luminance": lightness,
        "contrast": lightness.std(axis=(1, 2)),
        "chroma": np.hypot(ab[..., 0], ab[..., 1]),
    }
    return {name: _bin_shares(values[name], edges) for name, edges in BIN_EDGES.items()}


def _bin_shares(values: NDArray[Any], edges: list[int]) -> list[float]:
    counts, _ = np.histogram(values, edges)
    return [round(float(share), 5) for share in counts / counts.sum()]


def measure_coverage(own: Histograms, training: Any) -> CalibrationCoverage:
    """Return how much of the training data a calibration set reaches.

    Args:
        own: histograms of the set, from `build_histograms`.
        training: histograms of the training data, as read from the model's sidecar.

    Raises:
        ModelFileError: `training` does not have the form of histograms.
    """
    reached = {}
    for name, shares in own.items():
        try:
            training_shares = np.asarray(training[name], dtype=np.float64)
            if training_shares.shape != (len(shares),) or not np.isclose(training_shares.sum(), 1, atol=0.01):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelFileError(
                f"the sidecar of the model: coverage has no {name} of {len(shares)} shares. "
                "Train the model again, or restore the file."
            ) from error
        is_reached = np.asarray(shares) >= REACHED_SHARE * training_shares
        reached[name] = float(training_shares[is_reached].sum())
    return CalibrationCoverage(**{name: round(min(share, 1.0), 3) for name, share in reached.items()})


def shortfalls(coverage: CalibrationCoverage) -> str:
    """Return the shares below `MIN_COVERAGE`, as "contrast 19%, ..."; "" if there are none."""
    return ", ".join(
        f"{name} {share:.0%}" for name, share in asdict(coverage).items() if share < MIN_COVERAGE
    )


def verify_coverage(coverage: CalibrationCoverage) -> None:
    """Refuse a calibration set that reaches hardly any of the training data.

    Raises:
        GateError: the mean of the three shares is below `MIN_MEAN_COVERAGE`; the message names the low
            shares.
    """
    if coverage.mean < MIN_MEAN_COVERAGE:
        raise GateError(
            f"The calibration set reaches little of what the network was trained on: {shortfalls(coverage)}. "
            "Its int8 ranges would be wrong. Calibrate with varied pictures, dark to bright and flat to "
            "high-contrast."
        )
