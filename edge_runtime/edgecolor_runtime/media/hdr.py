"""High dynamic range to the range of ordinary video: a table that maps the RGB of PQ or HLG video to BT.709.

Sources of the formulas: SMPTE ST 2084 and ITU-R BT.2100-2 (PQ, HLG and their display light), ITU-R BT.2390-10
(5.4.1, the tone curve), ITU-R BT.2408-7 (203 cd/m2 for white), ITU-R BT.2087-0 (BT.2020 to BT.709 primaries)
and ITU-R BT.1886 (the display of ordinary video).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

PQ = 16
"""FFmpeg's number of the transfer of SMPTE ST 2084."""

HLG = 18
"""FFmpeg's number of the transfer of ARIB STD-B67."""

NAMES = {PQ: "PQ", HLG: "HLG"}

WHITE_NITS = 203.0
"""Luminance of diffuse white, which becomes white."""

PEAK_NITS = 1000.0
"""Luminance of the brightest highlight. Brighter ones are clipped."""

_TABLE_SIZE = 33  # points per axis; FFmpeg interpolates between them

_PQ_M1 = 2610 / 16384
_PQ_M2 = 2523 / 4096 * 128
_PQ_C1 = 3424 / 4096
_PQ_C2 = 2413 / 4096 * 32
_PQ_C3 = 2392 / 4096 * 32
_PQ_NITS = 10_000.0

_HLG_A = 0.17883277
_HLG_B = 1 - 4 * _HLG_A
_HLG_C = 0.55991073
_HLG_GAMMA = 1.2  # of a display with a peak of 1,000 cd/m2

_LUMINANCE_2020 = np.array((0.2627, 0.6780, 0.0593))
_TO_709 = np.array(
    ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
)  # fmt: skip
_DISPLAY_GAMMA = 2.4


def decode_pq(values: F64) -> F64:
    """Return the luminance in cd/m2 of PQ values from 0 to 1."""
    root = np.power(values, 1 / _PQ_M2)
    nits: F64 = _PQ_NITS * np.power(np.maximum(root - _PQ_C1, 0) / (_PQ_C2 - _PQ_C3 * root), 1 / _PQ_M1)
    return nits


def encode_pq(nits: F64) -> F64:
    """Return the PQ values from 0 to 1 of a luminance in cd/m2."""
    power = np.power(nits / _PQ_NITS, _PQ_M1)
    values: F64 = np.power((_PQ_C1 + _PQ_C2 * power) / (1 + _PQ_C3 * power), _PQ_M2)
    return values


def decode_hlg(rgb: F64) -> F64:
    """Return the light in cd/m2 of HLG colors from 0 to 1, shape (..., 3), on a display of 1,000 cd/m2."""
    scene = np.where(rgb <= 0.5, rgb**2 / 3, (np.exp((rgb - _HLG_C) / _HLG_A) + _HLG_B) / 12)
    luminance = scene @ _LUMINANCE_2020
    nits: F64 = PEAK_NITS * np.power(luminance, _HLG_GAMMA - 1)[..., None] * scene
    return nits


def compress(nits: F64) -> F64:
    """Return the tone curve of BT.2390: up to `PEAK_NITS` in, up to `WHITE_NITS` out, shadows unchanged."""
    peak, white = (float(encode_pq(np.array(value))) for value in (PEAK_NITS, WHITE_NITS))
    values = np.minimum(encode_pq(nits) / peak, 1)
    highest = white / peak
    knee = 1.5 * highest - 0.5
    t = np.maximum((values - knee) / (1 - knee), 0)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * highest
    )
    return decode_pq(np.where(values < knee, values, spline) * peak)


def to_standard_range(rgb: F64, transfer: int) -> F64:
    """Return the BT.709 colors from 0 to 1 of PQ or HLG colors in BT.2020 primaries, both of shape (..., 3).

    The largest of the three channels is compressed, and the others keep their ratio to it, so that hues stay.
    """
    nits = decode_pq(rgb) if transfer == PQ else decode_hlg(rgb)
    largest = np.maximum(nits.max(axis=-1, keepdims=True), 1e-6)
    light = nits * (compress(largest) / largest) / WHITE_NITS
    standard: F64 = np.power((light @ _TO_709.T).clip(0, 1), 1 / _DISPLAY_GAMMA)
    return standard


def write_table(path: Path, transfer: int) -> None:
    """Write the table of a transfer as a .cube file, in which red changes fastest."""
    axis = np.linspace(0, 1, _TABLE_SIZE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    colors = to_standard_range(np.stack((red, green, blue), -1), transfer).reshape(-1, 3)
    rows = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in colors.tolist())
    path.write_text(f"LUT_3D_SIZE {_TABLE_SIZE}\n{rows}\n", "ascii")
