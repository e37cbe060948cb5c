"""The map from high dynamic range: known levels of the standards, whites, shadows and hues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecolor_runtime.media import hdr


def gray(*levels: float) -> hdr.F64:
    return np.repeat(np.array(levels)[:, None], 3, 1)


def test_levels_of_the_standards() -> None:
    """ITU-R BT.2408-7, table 1: diffuse white of 203 cd/m2 is 58 % in PQ and 75 % in HLG."""
    assert hdr.decode_pq(np.array((0.0, 0.58, 1.0))) == pytest.approx([0, 203, 10_000], rel=0.02)
    assert hdr.encode_pq(hdr.decode_pq(np.array((0.1, 0.5, 0.9)))) == pytest.approx([0.1, 0.5, 0.9])
    assert hdr.decode_hlg(gray(0.75))[0] == pytest.approx([203] * 3, rel=0.02)
    assert hdr.decode_hlg(gray(1.0))[0] == pytest.approx([1000] * 3, rel=0.01)


def test_shadows_stay_and_highlights_are_compressed() -> None:
    assert hdr.compress(np.array((0.1, 1.0, 20.0, 60.0))) == pytest.approx([0.1, 1.0, 20.0, 60.0], rel=1e-3)
    bright = hdr.compress(np.array((203.0, 400.0, 1000.0, 9000.0)))
    assert (np.diff(bright) >= 0).all() and bright[-1] == pytest.approx(203, rel=1e-3)
    assert 140 < bright[0] < 180


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_gray_stays_gray_and_rises_from_black_to_white(transfer: int) -> None:
    ramp = hdr.to_standard_range(gray(*np.linspace(0, 1, 50)), transfer)
    assert np.ptp(ramp, axis=1).max() < 0.01
    assert (np.diff(ramp[:, 0]) >= 0).all() and ramp[0, 0] < 0.01 and ramp[-1, 0] > 0.99


def test_a_saturated_color_keeps_its_hue() -> None:
    red, green, blue = hdr.to_standard_range(np.array((0.6, 0.45, 0.45)), hdr.PQ)
    assert red > green == pytest.approx(blue, abs=0.15)


def test_the_table_lists_red_fastest(tmp_path: Path) -> None:
    hdr.write_table(tmp_path / "table.cube", hdr.PQ)
    size, *rows = (tmp_path / "table.cube").read_text("ascii").splitlines()
    assert size == "LUT_3D_SIZE 33" and len(rows) == 33**3
    second = np.array([float(value) for value in rows[20].split()])
    assert second[0] > 0.5 and second[1:].max() < 0.3
