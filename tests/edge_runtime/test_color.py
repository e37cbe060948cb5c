"""Colour arithmetic against scikit-image and against its own inverse."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.color import (
    LIGHTNESS_OF_LUMA,
    LUMA_B,
    LUMA_G,
    LUMA_R,
    U8,
    lab_to_chroma,
    lab_to_rgb,
    lightness_to_gray,
    rgb_to_chroma,
    rgb_to_lab,
)

skimage_color = pytest.importorskip("skimage.color", reason="scikit-image is in the [dev] extra")


@pytest.fixture(scope="module")
def grid() -> U8:
    """All of 256^3 in steps of 5, black and white included, shape (52^3, 3)."""
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)


def test_lab_is_scikit_images(grid: U8) -> None:
    assert grid.min() == 0 and grid.max() == 255
    assert np.abs(rgb_to_lab(grid) - skimage_color.rgb2lab(grid)).max() <= 0.02


def test_lab_round_trip(grid: U8) -> None:
    assert np.abs(lab_to_rgb(rgb_to_lab(grid)) - grid).max() < 0.05


def test_neutrals_have_no_colour() -> None:
    neutral = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    lab = rgb_to_lab(neutral)
    assert np.abs(lab[:, 1:]).max() < 1e-3
    np.testing.assert_allclose(lab[:, 0], LIGHTNESS_OF_LUMA, atol=1e-3)


def test_lightness_and_gray_are_inverse() -> None:
    np.testing.assert_array_equal(lightness_to_gray(LIGHTNESS_OF_LUMA), np.arange(256))


def test_chroma_is_bt601(grid: U8) -> None:
    pillow = np.asarray(Image.fromarray(grid[None]).convert("YCbCr"), np.float32)[0, :, 1:] - 128
    chroma = rgb_to_chroma(grid.astype(np.float32))
    assert np.abs(chroma - pillow).max() <= 1
    assert pytest.approx(1) == LUMA_R + LUMA_G + LUMA_B
    assert chroma.min() >= -127.51 and chroma.max() <= 127.51


def test_lab_to_chroma_goes_through_rgb(grid: U8) -> None:
    lab = rgb_to_lab(grid)
    np.testing.assert_allclose(
        lab_to_chroma(lab[:, 0], lab[:, 1:]), rgb_to_chroma(grid.astype(np.float32)), atol=0.05
    )


def test_out_of_gamut_is_clipped() -> None:
    rgb = lab_to_rgb(np.array([[100, 90, -90], [0, -90, 90], [50, 128, 128]], np.float32))
    assert np.isfinite(rgb).all() and rgb.min() >= 0 and rgb.max() <= 255
