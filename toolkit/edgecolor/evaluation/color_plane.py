"""The color plane: how much color a model gives against what it gains over gray, at every saturation.

More color costs PSNR, so no single figure ranks colorizers. For each saturation gain, x is the mean
colorfulness of the colored photographs over that of the originals, and y is the mean PSNR gain over gray,
in dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor.evaluation import metrics
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


@dataclass(frozen=True)
class Score:
    """One photograph: PSNR in dB, color differences in CIEDE2000, luma in 8-bit steps."""

    name: str
    truth: float  # colorfulness of the original
    colorfulness: tuple[float, ...]  # at each of SATURATIONS
    psnr: tuple[float, ...]  # at each of SATURATIONS
    ciede2000: float  # mean over pixels, at saturation 1
    ciede2000_p95: float  # 95th percentile over pixels
    gray_ciede2000: float  # of the gray picture
    luma_drift: float  # mean |luma of the finished picture - gray|
    ssim: float  # at saturation 1
    gray_ssim: float
    tint_psnr: float  # of the gray picture in the set's mean color
    hue_error: float | None  # degrees, at saturation 1; None where there is no hue to compare


@dataclass(frozen=True)
class Point:
    """One saturation on the plane."""

    saturation: float
    share: float
    gain: float  # dB


@dataclass(frozen=True)
class Plane:
    """All photographs together. A gain at a share that the curve does not reach is None."""

    curve: tuple[Point, ...]
    g56: float | None  # dB
    g83: float | None  # dB
    best: float  # dB
    share: float  # at saturation 1
    gain: float  # dB, at saturation 1
    psnr: float  # dB, at saturation 1
    gray_psnr: float  # dB
    colorfulness_error: float  # mean per-photograph error at saturation 1, over gray's
    ciede2000: float
    ciede2000_p95: float
    gray_ciede2000: float
    luma_drift: float
    ssim: float
    gray_ssim: float
    tint_gain: float  # dB, of the set's mean color over gray
    gain_over_tint: float  # dB, at saturation 1
    hue_error: float | None  # degrees, mean over the photographs that have one
    colorfulness_difference: float  # mean of ours minus the originals' at saturation 1, over gray's error


@dataclass(frozen=True)
class Difference:
    """Mean of a difference taken photograph by photograph, and the standard error of that mean."""

    mean: float
    error: float


def score(name: str, original: U8, gray: U8, finished: U8, tint: F32) -> Score:
    """Places one photograph.

    Args:
        name: of the photograph.
        original: (h, w, 3).
        gray: (h, w), what the model was given.
        finished: (h, w, 3), what it made of it, as 8-bit RGB.
        tint: (2,), the mean ab of the set, Lab units.
    """
    lightness = LIGHTNESS_OF_LUMA[gray][..., None]
    ab = rgb_to_lab(finished)[..., 1:]
    pictures = [_picture(lightness, ab * np.float32(s)) for s in SATURATIONS]
    truth = rgb_to_lab(original)
    off = metrics.ciede2000(rgb_to_lab(pictures[AS_IS]), truth)
    gray_off = metrics.ciede2000(rgb_to_lab(pictures[0]), truth)
    luma = np.asarray(Image.fromarray(finished).convert("L"))
    return Score(
        name=name,
        truth=metrics.colorfulness(original),
        colorfulness=tuple(metrics.colorfulness(p) for p in pictures),
        psnr=tuple(metrics.psnr(p, original) for p in pictures),
        ciede2000=float(off.mean()),
        ciede2000_p95=float(np.percentile(off, 95)),
        gray_ciede2000=float(gray_off.mean()),
        luma_drift=metrics.luma_drift(luma, gray),
        ssim=metrics.ssim(pictures[AS_IS], original),
        gray_ssim=metrics.ssim(pictures[0], original),
        tint_psnr=metrics.psnr(tinted(gray, tint), original),
        hue_error=metrics.hue_error(ab, truth[..., 1:]),
    )


def tinted(gray: U8, tint: F32) -> U8:
    """A gray picture (h, w) in one color, (2,) in Lab units: (h, w, 3), 8-bit RGB."""
    lightness = LIGHTNESS_OF_LUMA[gray][..., None]
    return _picture(lightness, np.broadcast_to(tint.astype(np.float32), (*gray.shape, 2)))


def _picture(lightness: F32, ab: F32) -> U8:
    return np.rint(lab_to_rgb(np.concatenate([lightness, ab], axis=-1))).astype(np.uint8)


def plane(scores: Sequence[Score]) -> Plane:
    """Means over photographs.

    Raises:
        DataError: no photograph, or none with any color.
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


def paired(ours: Sequence[Score], theirs: Sequence[Score]) -> dict[str, Difference | None]:
    """Ours minus theirs, photograph by photograph: the PSNR gains at each share and at saturation 1.

    The scatter between photographs is several dB and cancels here. None where one of the curves stays short.

    Raises:
        DataError: the photographs are not the same.
    """
    if [s.name for s in ours] != [s.name for s in theirs]:
        raise DataError("These are results of different photographs: evaluate both models on one folder.")
    found: dict[str, Difference | None] = {}
    for name, x in SHARES.items():
        a, b = (gains_at(x, scores) for scores in (ours, theirs))
        found[name] = None if a is None or b is None else _difference(a - b)
    found["gain"] = _difference(_gains(ours)[:, AS_IS] - _gains(theirs)[:, AS_IS])
    return found


def plain_point(curve: Sequence[Point], own: float) -> Point | None:
    """Where the model would be without its own saturation; None if it has none, or the curve does not reach.

    Args:
        curve: of a `Plane`, on which 1 is the model's own saturation.
        own: that saturation.
    """
    saturations = [p.saturation for p in curve]
    if own == 1 or not saturations[0] <= 1 / own <= saturations[-1]:
        return None
    share = np.interp(1 / own, saturations, [p.share for p in curve])
    gain = np.interp(1 / own, saturations, [p.gain for p in curve])
    return Point(1 / own, float(share), float(gain))


def gains_at(x: float, scores: Sequence[Score]) -> Numbers | None:
    """Each photograph's PSNR over gray in dB at the saturation that gives all together the share x of color.

    None where too little color is given at every saturation.
    """
    share, gains = _shares(scores), _gains(scores)
    if share.max() < x:
        return None
    saturation = np.interp(x, share, SATURATIONS)
    return np.array([np.interp(saturation, SATURATIONS, g) for g in gains])


def _gains(scores: Sequence[Score]) -> Numbers:
    """PSNR over gray in dB, shape (photographs, saturations)."""
    psnr: Numbers = np.array([s.psnr for s in scores])
    return np.asarray(psnr - psnr[:, :1])


def _shares(scores: Sequence[Score]) -> Numbers:
    """Mean colorfulness over the originals', shape (saturations,)."""
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
