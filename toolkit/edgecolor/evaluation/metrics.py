"""Metrics of colored pictures: pure functions of arrays.

Sources: colorfulness, Hasler and Suesstrunk, "Measuring colorfulness in natural images", 2003;
CIEDE2000, Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", 2005; SSIM, Wang, Bovik, Sheikh and
Simoncelli, "Image quality assessment: from error visibility to structural similarity", 2004.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_SQUARED_ERROR = 1e-3  # caps PSNR at 78 dB: equal pictures get a finite figure
WINDOW = 7  # pixels: width and height of the SSIM window; all its pixels have equal weight
MIN_ORIGINAL_CHROMA = 10.0  # Lab units, from which the original has a hue
MIN_COLORED_CHROMA = 2.0  # Lab units, from which the colored picture has a hue

Pixels = NDArray[Any]
"""8-bit or float32 sRGB in [0, 255]."""

Lab = NDArray[Any]
"""Float array in Lab units."""


def psnr(picture: Pixels, truth: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB of two pictures of one shape, values in [0, 255]."""
    error = np.subtract(picture, truth, dtype=np.float32).ravel()
    return float(10 * np.log10(255**2 / max(float(error @ error) / error.size, MIN_SQUARED_ERROR)))


def ssim(picture: Pixels, truth: Pixels) -> float:
    """Return the structural similarity of two pictures (h, w, 3), values in [0, 255]; 1 if they are equal."""
    stable, stable2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    variance = unbiased * (_windowed(x * x) - mean_x**2 + _windowed(y * y) - mean_y**2)
    covariance = unbiased * (_windowed(x * y) - mean_x * mean_y)
    structure = (2 * covariance + stable2) / (variance + stable2)
    lightness = (2 * mean_x * mean_y + stable) / (mean_x**2 + mean_y**2 + stable)
    return float((lightness * structure).mean())


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means over all windows: (h, w, c) to (h - WINDOW + 1, w - WINDOW + 1, c)."""
    sums = np.pad(values, ((1, 0), (1, 0), (0, 0))).cumsum(0).cumsum(1)
    step = WINDOW
    whole = sums[step:, step:] - sums[:-step, step:] - sums[step:, :-step] + sums[:-step, :-step]
    return np.asarray(whole / step**2)


def hue_error(ab: Lab, truth: Lab) -> float | None:
    """Return the mean absolute difference of the hue angles in degrees, 0 to 180; chance gives 90.

    Args:
        ab: of the colored picture in Lab units, shape (..., 2).
        truth: of the original, likewise.

    Returns:
        The mean over the pixels where the chroma of the original is at least MIN_ORIGINAL_CHROMA and that of
        the colored picture at least MIN_COLORED_CHROMA; None if there is no such pixel.
    """
    original_chroma, chroma = (np.hypot(*np.moveaxis(lab, -1, 0)) for lab in (truth, ab))
    counts = (original_chroma >= MIN_ORIGINAL_CHROMA) & (chroma >= MIN_COLORED_CHROMA)
    if not counts.any():
        return None
    turn = _hue(ab[..., 0], ab[..., 1])[counts] - _hue(truth[..., 0], truth[..., 1])[counts]
    return float(np.degrees(np.abs(_shortest(turn)).mean(dtype=np.float64)))


def colorfulness(rgb: Pixels) -> float:
    """Return Hasler and Suesstrunk's M3 of a picture, shape (..., 3), values in [0, 255]; 0 for gray."""
    red, green, blue = (rgb[..., i].astype(np.float32) for i in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    spread = np.hypot(_std(rg), _std(yb))
    return float(spread + 0.3 * np.hypot(rg.mean(dtype=np.float64), yb.mean(dtype=np.float64)))


def _std(values: NDArray[Any]) -> float:
    # numpy's std makes two more passes over the picture, and this runs once for every saturation.
    flat = values.ravel() - np.float32(values.mean(dtype=np.float64))
    return float(np.sqrt(np.square(flat).mean(dtype=np.float64)))


def mean_chroma(ab: Lab) -> float:
    """Return the mean distance from gray of ab in Lab units, shape (..., 2)."""
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean(dtype=np.float64))


def ab_difference(ab: Lab, other: Lab) -> float:
    """Return the mean absolute difference of two ab arrays of one shape, in Lab units."""
    return float(np.abs(ab - other).mean(dtype=np.float64))


def luma_drift(picture: Pixels, luma: Pixels) -> float:
    """Return the mean absolute difference of two 8-bit luma planes."""
    return float(np.abs(np.subtract(picture, luma, dtype=np.float32)).mean(dtype=np.float64))


def ciede2000(lab: Lab, other: Lab) -> Lab:
    """Return CIEDE2000 with k_L = k_C = k_H = 1 of two arrays of CIE LAB (..., 3), in their precision."""
    lightness, a, b = (lab[..., i] for i in range(3))
    lightness2, a2, b2 = (other[..., i] for i in range(3))

    # a is stretched near gray, where CIE LAB is too narrow along it.
    stretch = 1.5 - 0.5 * _saturating((np.hypot(a, b) + np.hypot(a2, b2)) / 2)
    a, a2 = a * stretch, a2 * stretch
    chroma, chroma2 = np.hypot(a, b), np.hypot(a2, b2)
    hue, hue2 = _hue(a, b), _hue(a2, b2)

    # Gray has no hue, but needs no case of its own: terms with hue are multiplied by the chroma, which is 0.
    turn = _shortest(hue2 - hue)
    mean_hue = hue + turn / 2
    d_hue = 2 * np.sqrt(chroma * chroma2) * np.sin(turn / 2)

    mean_lightness, mean_c = (lightness + lightness2) / 2, (chroma + chroma2) / 2
    off = (mean_lightness - 50) ** 2
    s_lightness = 1 + 0.015 * off / np.sqrt(20 + off)
    s_chroma = 1 + 0.045 * mean_c
    s_hue = 1 + 0.015 * mean_c * _hue_weight(mean_hue)

    d_lightness = (lightness2 - lightness) / s_lightness
    d_chroma = (chroma2 - chroma) / s_chroma
    d_hue = d_hue / s_hue
    rotation = -2 * _saturating(mean_c) * np.sin(np.pi / 3 * np.exp(-(_from_blue(mean_hue) ** 2)))
    squared = d_lightness**2 + d_chroma**2 + d_hue**2 + rotation * d_chroma * d_hue
    difference: Lab = np.sqrt(np.maximum(squared, 0))
    return difference


def _hue(a: Lab, b: Lab) -> Lab:
    """Return the hue angle in [0, 2 pi). Only counted from 0 do opposite hues average as published."""
    angle = np.arctan2(b, a)
    return np.where(angle < 0, angle + 2 * np.pi, angle)


def _saturating(chroma: Lab) -> Lab:
    seventh = chroma**7
    root: Lab = np.sqrt(seventh / (seventh + 25.0**7))
    return root


def _shortest(angle: Lab) -> Lab:
    """Return an angle difference in (-2 pi, 2 pi) the short way round, in [-pi, pi]."""
    angle = np.where(angle > np.pi, angle - 2 * np.pi, angle)
    return np.where(angle < -np.pi, angle + 2 * np.pi, angle)


def _hue_weight(hue: Lab) -> Lab:
    weight: Lab = (
        1
        - 0.17 * np.cos(hue - np.pi / 6)
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.pi / 30)
        - 0.20 * np.cos(4 * hue - 63 * np.pi / 180)
    )
    return weight


def _from_blue(hue: Lab) -> Lab:
    """Return the distance of a hue from 275 degrees, in units of 25 degrees."""
    return (np.degrees(hue) % 360 - 275) / 25
