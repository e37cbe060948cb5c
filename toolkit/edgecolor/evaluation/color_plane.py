"""The color plane: how much color a model gives, and how much that gains over gray, at every saturation.

More color costs PSNR. Therefore no single figure ranks colorizers. For each saturation, x is the mean
colorfulness of the colored photographs over that of the originals, and y is the mean PSNR gain over gray, dB.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor.evaluation import metrics
from edgecolor.evaluation.scores import (
    AS_IS,
    SATURATIONS,
    Difference,
    PairedGains,
    Plane,
    Point,
    Score,
)
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_rgb, rgb_to_lab
from edgecolor_runtime.errors import DataError

PROTOCOL = (
    "color plane 1: center square, 224 px bicubic; gray = neutral of Lab L; ab of the finished 8-bit "
    "picture, times a saturation of 0 to 1.6 by 0.1 (1 = the model as it is), on the gray's L; means over "
    "photographs. Tint = one ab for all pixels: the mean over the set. SSIM: RGB, 7 x 7 windows. Hue: where "
    f"chroma is at least {metrics.MIN_ORIGINAL_CHROMA:g} in the original and "
    f"{metrics.MIN_COLORED_CHROMA:g} in ours"
)
SHARES = {"g56": 0.56, "g83": 0.83}  # named after where DeOldify and eccv16 stand

Numbers = NDArray[np.float64]


def score_photograph(name: str, *, original: U8, gray: U8, finished: U8, tint: F32) -> Score:
    """Return the figures of one photograph.

    Args:
        name: name of the photograph.
        original: 8-bit RGB, shape (h, w, 3).
        gray: 8-bit luma, the input of the model, shape (h, w).
        finished: the picture that the model colored, 8-bit RGB, shape (h, w, 3).
        tint: mean ab of the set in Lab units, shape (2,).
    """
    lightness = LIGHTNESS_OF_LUMA[gray][..., None]
    ab = rgb_to_lab(finished)[..., 1:]
    pictures = [_picture(lightness, ab * np.float32(s)) for s in SATURATIONS]
    truth = rgb_to_lab(original)
    color_errors = metrics.ciede2000(rgb_to_lab(pictures[AS_IS]), truth)
    gray_errors = metrics.ciede2000(rgb_to_lab(pictures[0]), truth)
    luma = np.asarray(Image.fromarray(finished).convert("L"))
    return Score(
        name=name,
        truth=metrics.colorfulness(original),
        colorfulness=tuple(metrics.colorfulness(p) for p in pictures),
        psnr=tuple(metrics.psnr(p, original) for p in pictures),
        ciede2000=float(color_errors.mean()),
        ciede2000_p95=float(np.percentile(color_errors, 95)),
        gray_ciede2000=float(gray_errors.mean()),
        luma_drift=metrics.luma_drift(luma, gray),
        ssim=metrics.ssim(pictures[AS_IS], original),
        gray_ssim=metrics.ssim(pictures[0], original),
        tint_psnr=metrics.psnr(tinted(gray, tint), original),
        hue_error=metrics.hue_error(ab, truth[..., 1:]),
    )


def tinted(gray: U8, tint: F32) -> U8:
    """Return a gray picture (h, w) in one color, ab of shape (2,) in Lab units, as 8-bit RGB (h, w, 3)."""
    lightness = LIGHTNESS_OF_LUMA[gray][..., None]
    return _picture(lightness, np.broadcast_to(tint.astype(np.float32), (*gray.shape, 2)))


def _picture(lightness: F32, ab: F32) -> U8:
    return np.rint(lab_to_rgb(np.concatenate([lightness, ab], axis=-1))).astype(np.uint8)


def compute_plane(scores: Sequence[Score]) -> Plane:
    """Return the means over all photographs.

    Raises:
        DataError: there is no photograph, or none with any color.
    """
    share, gains = _shares(scores), _gains(scores)
    gain = gains.mean(axis=0)
    psnr = np.array([s.psnr for s in scores])
    truth = np.array([s.truth for s in scores])
    hues = [s.hue_error for s in scores if s.hue_error is not None]
    ours = np.array([s.colorfulness[AS_IS] for s in scores])
    error = np.abs(ours - truth)
    return Plane(
        curve=tuple(Point(s, float(x), float(y)) for s, x, y in zip(SATURATIONS, share, gain, strict=True)),
        g56=_at(SHARES["g56"], share, gain),
        g83=_at(SHARES["g83"], share, gain),
        best=float(gain.max()),
        share=float(share[AS_IS]),
        gain=float(gain[AS_IS]),
        psnr=float(psnr[:, AS_IS].mean()),
        gray_psnr=float(psnr[:, 0].mean()),
        colorfulness_error=float(error.mean() / truth.mean()),
        ciede2000=_mean([s.ciede2000 for s in scores]),
        ciede2000_p95=_mean([s.ciede2000_p95 for s in scores]),
        gray_ciede2000=_mean([s.gray_ciede2000 for s in scores]),
        luma_drift=_mean([s.luma_drift for s in scores]),
        ssim=_mean([s.ssim for s in scores]),
        gray_ssim=_mean([s.gray_ssim for s in scores]),
        tint_gain=_mean([s.tint_psnr - s.psnr[0] for s in scores]),
        gain_over_tint=_mean([s.psnr[AS_IS] - s.tint_psnr for s in scores]),
        hue_error=_mean(hues) if hues else None,
        colorfulness_difference=float((ours - truth).mean() / truth.mean()),
    )


def pair_gains(scores: Sequence[Score], reference: Sequence[Score]) -> PairedGains:
    """Return a model's PSNR gains minus those of its reference, photograph by photograph.

    The scatter between photographs is several dB. It cancels in these differences.

    Raises:
        DataError: the photographs are not the same.
    """
    if [s.name for s in scores] != [s.name for s in reference]:
        raise DataError("These are results of different photographs: evaluate both models on one folder.")
    return PairedGains(
        g56=_difference_at(SHARES["g56"], scores, reference),
        g83=_difference_at(SHARES["g83"], scores, reference),
        gain=_difference(_gains(scores)[:, AS_IS] - _gains(reference)[:, AS_IS]),
    )


def _difference_at(share: float, scores: Sequence[Score], reference: Sequence[Score]) -> Difference | None:
    gains, reference_gains = gains_at(share, scores), gains_at(share, reference)
    return None if gains is None or reference_gains is None else _difference(gains - reference_gains)


def plain_point(curve: Sequence[Point], own: float) -> Point | None:
    """Return the point at which the model would be without its own saturation.

    Args:
        curve: the curve of a `Plane`, on which 1 is the model's own saturation.
        own: the model's own saturation.

    Returns:
        None if the model has no saturation of its own, or the curve does not reach the point.
    """
    saturations = [p.saturation for p in curve]
    if own == 1 or not saturations[0] <= 1 / own <= saturations[-1]:
        return None
    share = np.interp(1 / own, saturations, [p.share for p in curve])
    gain = np.interp(1 / own, saturations, [p.gain for p in curve])
    return Point(1 / own, float(share), float(gain))


def gains_at(x: float, scores: Sequence[Score]) -> Numbers | None:
    """Return each photograph's PSNR gain over gray in dB, at one share of the color.

    Args:
        x: share of the originals' colorfulness that all photographs reach together.
        scores: figures of the photographs.

    Returns:
        None if the model gives less color at every saturation.
    """
    share, gains = _shares(scores), _gains(scores)
    if share.max() < x:
        return None
    saturation = np.interp(x, share, SATURATIONS)
    return np.array([np.interp(saturation, SATURATIONS, g) for g in gains])


def _gains(scores: Sequence[Score]) -> Numbers:
    """Return the PSNR gains over gray in dB, shape (photographs, saturations)."""
    psnr: Numbers = np.array([s.psnr for s in scores])
    return np.asarray(psnr - psnr[:, :1])


def _shares(scores: Sequence[Score]) -> Numbers:
    """Return the mean colorfulness over that of the originals, shape (saturations,)."""
    if not scores:
        raise DataError("No photograph to evaluate on.")
    truth = np.mean([s.truth for s in scores])
    if truth == 0:
        raise DataError("The photographs have no color to compare with: evaluate on color photographs.")
    return np.asarray(np.mean([s.colorfulness for s in scores], axis=0) / truth)


def _at(x: float, share: Numbers, gain: Numbers) -> float | None:
    if share.max() < x:
        return None
    return float(np.interp(x, share, gain))


def _difference(values: Numbers) -> Difference:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("inf")
    return Difference(float(values.mean()), float(error))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
