"""Strips of a colored frame: the same pixels as the whole frame, in 8 and in 16 bits."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import LUMA_B, LUMA_G, LUMA_R


@pytest.fixture(scope="module", params=[True, False], ids=["guided", "bilinear"])
def frame(request: pytest.FixtureRequest) -> ColorFrame:
    random = np.random.default_rng(3)
    luma = Image.fromarray(random.integers(0, 256, (211, 333), dtype=np.uint8))
    seen = random.uniform(0, 255, (56, 56)).astype(np.float32) if request.param else None
    return ColorFrame(luma, random.normal(0, 60, (56, 56, 2)).astype(np.float32), seen)


@pytest.mark.parametrize("rows", [2, 16, 50, 500])
def test_strips_are_the_whole_frame(frame: ColorFrame, rows: int) -> None:
    strips = list(frame.rgb_strips(rows))
    assert [len(strip) for strip in strips[:-1]] == [rows] * (len(strips) - 1)
    np.testing.assert_array_equal(np.concatenate(strips), np.asarray(frame.to_rgb()))
    halved = np.concatenate([np.asarray(strip) for strip in frame.ycbcr_strips(rows)])
    np.testing.assert_array_equal(halved, np.asarray(frame.to_ycbcr()))


def test_16_bits_keep_their_luma_and_show_the_same_colors(frame: ColorFrame) -> None:
    fine = np.random.default_rng(4).integers(-128, 129, (211, 333))
    luma = (np.asarray(frame.y, np.int64) * 257 + fine).clip(0, 65535).astype(np.uint16)
    deep = np.concatenate(list(frame.deep_rgb_strips(luma, 16))).astype(float)
    np.testing.assert_allclose(deep @ (LUMA_R, LUMA_G, LUMA_B), luma, atol=1)
    assert np.abs(deep / 257 - np.asarray(frame.to_rgb(), float)).mean() < 1
