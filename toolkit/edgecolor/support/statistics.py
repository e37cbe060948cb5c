"""Quantiles and distributions of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """Samples in ascending order, and some of their quantiles, in the unit of the samples."""

    samples: tuple[float, ...]
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float
    p99: float


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return the quantile q, 0 to 1, of samples in ascending order, linearly interpolated."""
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def distribution(samples: Sequence[float]) -> Distribution:
    """Return the distribution of at least one sample."""
    ordered = sorted(samples)
    return Distribution(tuple(ordered), *(quantile(ordered, q / 100) for q in (10, 25, 50, 75, 90, 99)))
