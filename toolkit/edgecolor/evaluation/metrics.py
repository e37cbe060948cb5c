"""Measures of colored pictures, as pure functions of arrays. No model and no file is known here.

Sources: colorfulness, Hasler and Suesstrunk, "Measuring colorfulness in natural images", 2003;
CIEDE2000, Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", 2005; SSIM, Wang, Bovik, Sheikh and
Simoncelli, "Image quality assessment: from error visibility to structural similarity", 2004.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_ERROR = 1e-3  # mean squared error at which PSNR is capped (78 dB): equal pictures get a finite figure
WINDOW = 7  # pixels a side of the window that SSIM looks through, each pixel counting alike
COLORED = 10.0  # chroma in Lab units from which an original has a hue to speak of
SHOWN = 2.0  # chroma in Lab units from which ours has

Pixels = NDArray[Any]
"""8-bit or float32 sRGB in [0, 255]."""

Lab = NDArray[Any]
"""Float array in Lab units."""


def psnr(picture: Pixels, truth: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all channels of two pictures of one shape, values in [0, 255]."""
    error = np.subtract(picture, truth, dtype=np.float32).ravel()
    return float(10 * np.log10(255**2 / max(float(error @ error) / error.size, LEAST_ERROR)))


def ssim(picture: Pixels, truth: Pixels) -> float:
    """Structural similarity of two pictures (h, w, 3), values in [0, 255]: mean over channels, 1 if equal."""
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
    """Means over all whole windows: (h, w, c) to (h - WINDOW + 1, w - WINDOW + 1, c)."""
    sums = np.pad(values, ((1, 0), (1, 0), (0, 0))).cumsum(0).cumsum(1)
    step = WINDOW
    whole = sums[step:, step:] - sums[:-step, step:] - sums[step:, :-step] + sums[:-step, :-step]
    return np.asarray(whole / step**2)


def hue_error(ab: Lab, truth: Lab) -> float | None:
    """Mean absolute difference of the hue angles in degrees, 0 to 180; 90 is what chance gives.

    Args:
        ab: (..., 2) in Lab units.
        truth: the original's, likewise.

    Returns:
        The mean over the pixels where the original's chroma is at least COLORED and ours at least SHOWN;
        None where there is no such pixel.
    """
    counts = (np.hypot(*np.moveaxis(truth, -1, 0)) >= COLORED) & (np.hypot(*np.moveaxis(ab, -1, 0)) >= SHOWN)
    if not counts.any():
        return None
    turn = _hue(ab[..., 0], ab[..., 1])[counts] - _hue(truth[..., 0], truth[..., 1])[counts]
    return float(np.degrees(np.abs(_shortest(turn)).mean(dtype=np.float64)))


def colorfulness(rgb: Pixels) -> float:
    """Hasler and Suesstrunk's M3 of one picture, shape (..., 3), values in [0, 255]; gray is 0."""
    red, green, blue = (rgb[..., i].astype(np.float32) for i in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    spread = np.hypot(_std(rg), _std(yb))
    return float(spread + 0.3 * np.hypot(rg.mean(dtype=np.float64), yb.mean(dtype=np.float64)))


def _std(values: NDArray[Any]) -> float:
    # By hand: numpy's own std makes two more passes over the picture, and this runs once for every gain.
    flat = values.ravel() - np.float32(values.mean(dtype=np.float64))
    return float(np.sqrt(np.square(flat).mean(dtype=np.float64)))


def mean_chroma(ab: Lab) -> float:
    """Mean distance from gray in Lab units, shape (..., 2)."""
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean(dtype=np.float64))


def ab_difference(ab: Lab, other: Lab) -> float:
    """Mean absolute difference over both channels in Lab units, two arrays of one shape."""
    return float(np.abs(ab - other).mean(dtype=np.float64))


def luma_drift(picture: Pixels, luma: Pixels) -> float:
    """Mean absolute difference of two 8-bit luma planes."""
    return float(np.abs(np.subtract(picture, luma, dtype=np.float32)).mean(dtype=np.float64))


def ciede2000(lab: Lab, other: Lab) -> Lab:
    """CIEDE2000 with k_L = k_C = k_H = 1: two arrays (..., 3) of CIE LAB to (...), in their own precision."""
    lightness, a, b = (lab[..., i] for i in range(3))
    lightness2, a2, b2 = (other[..., i] for i in range(3))

    # a is stretched near gray, where CIE LAB is too narrow along it.
    stretch = 1.5 - 0.5 * _saturating((np.hypot(a, b) + np.hypot(a2, b2)) / 2)
    a, a2 = a * stretch, a2 * stretch
    chroma, chroma2 = np.hypot(a, b), np.hypot(a2, b2)
    hue, hue2 = _hue(a, b), _hue(a2, b2)

    # A gray has no hue, and needs no case of its own: what depends on hue is multiplied by its chroma, 0.
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
    """Hue angle in [0, 2 pi): opposite hues average as published only when counted from 0."""
    angle = np.arctan2(b, a)
    return np.where(angle < 0, angle + 2 * np.pi, angle)


def _saturating(chroma: Lab) -> Lab:
    seventh = chroma**7
    root: Lab = np.sqrt(seventh / (seventh + 25.0**7))
    return root


def _shortest(angle: Lab) -> Lab:
    """An angle difference in (-2 pi, 2 pi) taken the short way round, in [-pi, pi]."""
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
    """Distance of a hue from 275 degrees, in units of 25 degrees."""
    return (np.degrees(hue) % 360 - 275) / 25
