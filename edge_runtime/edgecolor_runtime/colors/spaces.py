"""Color arithmetic: sRGB, CIE LAB (D65), BT.601 luma and chroma. No other module repeats it.

Sources: IEC 61966-2-1:1999 (sRGB transfer and primaries), CIE 15:2004 (CIE LAB), ITU-R BT.601-7 (Y'CbCr) in
    the
full range of JFIF (ITU-T T.871). The white point is the sum of the primaries, which gives neutrals a = b = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]

_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_RGB_TO_XYZ_RELATIVE = _RGB_TO_XYZ / _RGB_TO_XYZ.sum(1, keepdims=True)  # XYZ relative to white
_XYZ_RELATIVE_TO_RGB = np.linalg.inv(_RGB_TO_XYZ_RELATIVE)

NEUTRAL = 128
"""Byte that stands for a chroma of 0."""

_DELTA = 6 / 29  # in CIE LAB's f, where the cube root meets the straight line

# BT.601 luma weights; the chroma factors follow from them.
LUMA_R = 0.299
LUMA_G = 0.587
LUMA_B = 0.114
R_PER_CR = 2 * (1 - LUMA_R)  # 1.402
B_PER_CB = 2 * (1 - LUMA_B)  # 1.772
G_PER_CB = -LUMA_B * B_PER_CB / LUMA_G  # -0.344136
G_PER_CR = -LUMA_R * R_PER_CR / LUMA_G  # -0.714136


def _linear(srgb: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


LINEAR_OF_BYTE: F32 = _linear(np.arange(256) / 255).astype(np.float32)
"""Linear light in [0, 1] of an 8-bit sRGB value, shape (256,)."""


def linear_to_srgb(linear: NDArray[np.floating]) -> F32:
    """Convert linear light to sRGB, both in [0, 1]; values outside are clipped. Any shape."""
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return srgb.astype(np.float32)


def _f(t: NDArray[np.floating]) -> F32:
    return np.where(t > _DELTA**3, np.cbrt(t), t / (3 * _DELTA**2) + 4 / 29).astype(np.float32)


def _f_inverse(f: NDArray[np.floating]) -> F32:
    return np.where(f > _DELTA, f**3, (f - 4 / 29) * (3 * _DELTA**2)).astype(np.float32)


# Computed in float64, because the last bit of numpy's float32 cube root depends on the processor (AVX-512,
# Arm). At gray 194 that bit decided an int8 step of the network's input.
LIGHTNESS_OF_LUMA: F32 = (116 * _f(LINEAR_OF_BYTE.astype(np.float64)) - 16).astype(np.float32)
"""L* in [0, 100] of the neutral gray with an 8-bit luma of the index, shape (256,)."""


def rgb_to_lab(rgb: U8) -> F32:
    """Convert 8-bit sRGB to CIE LAB, both of shape (..., 3): L in [0, 100], a and b in about [-108, 99]."""
    f = _f(LINEAR_OF_BYTE[rgb] @ _RGB_TO_XYZ_RELATIVE.T.astype(np.float32))
    fx, fy, fz = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], axis=-1)


def lab_to_rgb(lab: F32) -> F32:
    """Convert CIE LAB to sRGB in [0, 255], both of shape (..., 3). Values are clipped and not rounded."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    return linear_to_srgb(_f_inverse(f) @ _XYZ_RELATIVE_TO_RGB.T.astype(np.float32)) * np.float32(255)


def lightness_to_linear(lightness: NDArray[np.floating]) -> F32:
    """Convert L* in [0, 100] to the linear light of a neutral gray in [0, 1], same shape."""
    return _f_inverse((lightness + 16) / 116)


def lightness_to_gray(lightness: F32) -> U8:
    """Convert L* in [0, 100] to the 8-bit neutral gray of this lightness, same shape."""
    y = lightness_to_linear(np.asarray(lightness, np.float32))
    return np.rint(linear_to_srgb(y) * 255).astype(np.uint8)


def rgb_to_chroma(rgb: F32) -> F32:
    """Convert sRGB in [0, 255], shape (..., 3), to (Cb, Cr) in [-127.5, 127.5], shape (..., 2)."""
    y = LUMA_R * rgb[..., 0] + LUMA_G * rgb[..., 1] + LUMA_B * rgb[..., 2]
    return np.stack([(rgb[..., 2] - y) / B_PER_CB, (rgb[..., 0] - y) / R_PER_CR], axis=-1).astype(np.float32)


def lab_to_chroma(lightness: F32, ab: F32) -> F32:
    """Convert L*, shape (...), and ab, shape (..., 2), to (Cb, Cr) centered on 0, shape (..., 2)."""
    return rgb_to_chroma(lab_to_rgb(np.concatenate([lightness[..., None], ab], axis=-1)))


def ycc_to_rgb(y: F32, chroma: F32) -> F32:
    """Convert luma, shape (h, w), and (Cb, Cr) centered on 0, shape (2, h, w), to RGB, shape (h, w, 3)."""
    cb, cr = chroma
    return np.stack([y + R_PER_CR * cr, y + G_PER_CB * cb + G_PER_CR * cr, y + B_PER_CB * cb], axis=-1)
