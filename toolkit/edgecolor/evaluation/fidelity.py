"""Fidelity: how far an exported file is from its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgecolor.evaluation import metrics
from edgecolor.evaluation.color_plane import Difference
from edgecolor_runtime.colors.spaces import F32, U8, rgb_to_lab
from edgecolor_runtime.errors import DataError


@dataclass(frozen=True)
class Fidelity:
    """A model against its reference on the same photographs: ab at 56 x 56, Lab units, without saturation."""

    reference: str
    ab_difference: float  # mean over photographs, pixels and both channels
    worst: float  # of one photograph
    worst_name: str
    chroma_ratio: float  # mean chroma over the reference's
    ciede2000: float  # between their finished pictures, mean over photographs and pixels
    hue_error: float | None  # degrees between those, where both have chroma; None where none has
    paired: dict[str, Difference | None]  # dB, model minus reference


class _Drift(NamedTuple):
    name: str
    ab_difference: float
    chroma: float
    reference_chroma: float
    ciede2000: float
    hue_error: float | None


def _drift(name: str, ab: F32, reference: F32, finished: U8, reference_finished: U8) -> _Drift:
    lab, true_lab = rgb_to_lab(finished), rgb_to_lab(reference_finished)
    return _Drift(
        name,
        metrics.ab_difference(ab, reference),
        metrics.mean_chroma(ab),
        metrics.mean_chroma(reference),
        float(metrics.ciede2000(lab, true_lab).mean()),
        metrics.hue_error(lab[..., 1:], true_lab[..., 1:]),
    )


def _fidelity(
    reference: str, drifts: Sequence[_Drift], differences: dict[str, Difference | None]
) -> Fidelity:
    worst = max(drifts, key=lambda d: d.ab_difference)
    reference_chroma = float(np.mean([d.reference_chroma for d in drifts]))
    if reference_chroma == 0:
        raise DataError(f"{reference}: this reference gives no color at all to compare with.")
    hues = [d.hue_error for d in drifts if d.hue_error is not None]
    return Fidelity(
        reference=reference,
        ab_difference=float(np.mean([d.ab_difference for d in drifts])),
        worst=worst.ab_difference,
        worst_name=worst.name,
        chroma_ratio=float(np.mean([d.chroma for d in drifts])) / reference_chroma,
        ciede2000=float(np.mean([d.ciede2000 for d in drifts])),
        hue_error=float(np.mean(hues)) if hues else None,
        paired=differences,
    )
