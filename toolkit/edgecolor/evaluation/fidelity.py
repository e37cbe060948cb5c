"""Fidelity: how far a model is from the network that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgecolor.evaluation import metrics
from edgecolor.evaluation.scores import Fidelity, PairedGains
from edgecolor_runtime.colors.spaces import F32, U8, rgb_to_lab
from edgecolor_runtime.errors import DataError


class Drift(NamedTuple):
    """How far a model is from its reference on one photograph; units as in `Fidelity`."""

    name: str
    ab_difference: float
    chroma: float
    reference_chroma: float
    ciede2000: float
    hue_error: float | None


def measure_drift(name: str, *, ab: F32, reference_ab: F32, finished: U8, reference_finished: U8) -> Drift:
    """Compare a model with its reference on one photograph.

    Args:
        name: name of the photograph.
        ab: output of the model in Lab units, shape (56, 56, 2).
        reference_ab: output of the reference, likewise.
        finished: the model's finished picture, 8-bit RGB (224, 224, 3).
        reference_finished: the reference's finished picture, likewise.
    """
    lab, reference_lab = rgb_to_lab(finished), rgb_to_lab(reference_finished)
    return Drift(
        name=name,
        ab_difference=metrics.ab_difference(ab, reference_ab),
        chroma=metrics.mean_chroma(ab),
        reference_chroma=metrics.mean_chroma(reference_ab),
        ciede2000=float(metrics.ciede2000(lab, reference_lab).mean()),
        hue_error=metrics.hue_error(lab[..., 1:], reference_lab[..., 1:]),
    )


def summarize_fidelity(reference: str, drifts: Sequence[Drift], paired: PairedGains) -> Fidelity:
    """Return the fidelity over all photographs.

    Raises:
        DataError: the reference gives no color.
    """
    worst = max(drifts, key=lambda d: d.ab_difference)
    reference_chroma = float(np.mean([d.reference_chroma for d in drifts]))
    if reference_chroma == 0:
        raise DataError(
            f"{reference}: the reference gives no color at all. There is nothing to compare with."
        )
    hue_errors = [d.hue_error for d in drifts if d.hue_error is not None]
    return Fidelity(
        reference=reference,
        ab_difference=float(np.mean([d.ab_difference for d in drifts])),
        worst=worst.ab_difference,
        worst_name=worst.name,
        chroma_ratio=float(np.mean([d.chroma for d in drifts])) / reference_chroma,
        ciede2000=float(np.mean([d.ciede2000 for d in drifts])),
        hue_error=float(np.mean(hue_errors)) if hue_errors else None,
        paired=paired,
    )
