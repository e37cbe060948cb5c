"""The color plane: how much color a model gives, and how much that gains over gray, at every saturation.

More color costs PSNR. Therefore no single figure ranks colorizers. For each saturation, x is the mean
colorfulness of the colored photographs over that of the originals, and y is the mean PSNR gain over gray, dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor.evaluation import metrics
from edgecolor.support.json_records import INFINITE_AS_NULL, NonNegative, Schema
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_rgb, rgb_to_lab
from edgecolor_runtime.errors import DataError

PROTOCOL = (
    "color plane 1: center square, 224 px bicubic; gray = neutral of Lab L; ab of the finished 8-bit "
    "picture, times a saturation of 0 to 1.6 by 0.1 (1 = the model as it is), on the gray's L; means over "
    "photographs. Tint = one ab for all pixels: the mean over the set. SSIM: RGB, 7 x 7 windows. Hue: where "
    f"chroma is at least {metrics.COLORED:g} in the original and {metrics.SHOWN:g} in ours"
)
SATURATIONS = tuple(round(0.1 * i, 1) for i in range(17))
AS_IS = SATURATIONS.index(1.0)
SHARES = {"g56": 0.56, "g83": 0.83}  # named after where DeOldify and eccv16 stand

Numbers = NDArray[np.float64]

_ON_CURVE = Schema(
    minItems=len(SATURATIONS), maxItems=len(SATURATIONS), description="at each saturation of the curve"
)


@dataclass(frozen=True)
class Score:
    """The figures of one photograph: PSNR in dB, color differences in CIEDE2000, luma in 8-bit steps.

    Attributes:
        truth: colorfulness of the original.
        colorfulness: of the colored photograph, at each of SATURATIONS.
        psnr: of the colored photograph, at each of SATURATIONS.
        ciede2000: mean over the pixels, at saturation 1.
        ciede2000_p95: 95th percentile over the pixels, at saturation 1.
        gray_ciede2000: mean over the pixels of the gray picture.
        luma_drift: mean absolute difference between the luma of the finished picture and the gray.
        ssim: at saturation 1.
        tint_psnr: of the gray picture in the mean color of the set.
        hue_error: degrees, at saturation 1; None if there is no hue to compare.
    """

    name: str
    truth: Annotated[NonNegative, Schema(description="colorfulness of the original")]
    colorfulness: Annotated[tuple[NonNegative, ...], _ON_CURVE]
    psnr: Annotated[tuple[NonNegative, ...], _ON_CURVE]
    ciede2000: NonNegative
    ciede2000_p95: NonNegative
    gray_ciede2000: NonNegative
    luma_drift: NonNegative
    ssim: float
    gray_ssim: float
    tint_psnr: NonNegative
    hue_error: float | None


@dataclass(frozen=True)
class Point:
    """One saturation on the color plane.

    Attributes:
        share: mean colorfulness over that of the originals.
        gain: mean PSNR over gray, dB.
    """

    saturation: NonNegative
    share: NonNegative
    gain: float


@dataclass(frozen=True)
class Plane:
    """Means over the photographs; null: the curve does not reach it.

    Attributes:
        g56: PSNR gain over gray at a share of 56 %, dB.
        g83: PSNR gain over gray at a share of 83 %, dB.
        best: largest PSNR gain at any saturation, dB.
        share: colorfulness over that of the originals, at saturation 1.
        gain: PSNR gain over gray at saturation 1, dB.
        psnr: at saturation 1, dB.
        gray_psnr: of the gray pictures, dB.
        colorfulness_error: mean absolute error of the colorfulness at saturation 1, over that of gray.
        tint_gain: PSNR gain of the mean color of the set over gray, dB.
        gain_over_tint: PSNR gain over the mean color of the set at saturation 1, dB.
        hue_error: degrees, mean over the photographs that have one.
        colorfulness_difference: mean signed error of the colorfulness at saturation 1, over that of gray.
    """

    curve: Annotated[tuple[Point, ...], Schema(minItems=len(SATURATIONS), maxItems=len(SATURATIONS))]
    g56: float | None
    g83: float | None
    best: float
    share: float
    gain: float
    psnr: float
    gray_psnr: float
    colorfulness_error: float
    ciede2000: float
    ciede2000_p95: float
    gray_ciede2000: float
    luma_drift: float
    ssim: float
    gray_ssim: float
    tint_gain: float
    gain_over_tint: float
    hue_error: float | None
    colorfulness_difference: float


@dataclass(frozen=True)
class Difference:
    """The mean of differences taken photograph by photograph.

    Attributes:
        error: standard error of the mean; infinite for one photograph.
    """

    mean: float
    error: Annotated[
        NonNegative, INFINITE_AS_NULL, Schema(description="standard error; null: of one photograph")
    ]


@dataclass(frozen=True)
class PairedGains:
    """PSNR gains in dB, a model minus its reference; null: a curve does not reach the share."""

    g56: Difference | None
    g83: Difference | None
    gain: Difference | None


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
