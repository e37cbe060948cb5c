"""Color arithmetic against scikit-image and against its own inverse."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.spaces import (
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
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT, quantize

skimage_color = pytest.importorskip("skimage.color", reason="scikit-image is in the [dev] extra")


@pytest.fixture(scope="module")
def grid() -> U8:
    """All colors in steps of 5 from black to white, shape (52^3, 3)."""
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)


def test_lab_agrees_with_scikit_image(grid: U8) -> None:
    assert grid.min() == 0 and grid.max() == 255
    assert np.abs(rgb_to_lab(grid) - skimage_color.rgb2lab(grid)).max() <= 0.02


def test_lab_round_trip(grid: U8) -> None:
    assert np.abs(lab_to_rgb(rgb_to_lab(grid)) - grid).max() < 0.05


def test_neutrals_have_no_color() -> None:
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


def test_the_network_input_is_the_same_on_every_processor() -> None:
    """In float32 the last bit depended on the processor, and decided an int8 step of gray 194."""
    srgb = np.arange(256) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    f = np.where(linear > (6 / 29) ** 3, np.cbrt(linear), linear / (3 * (6 / 29) ** 2) + 4 / 29)
    exact = (116 * f - 16) / 50 - 1
    assert np.abs(NETWORK_INPUT - exact).max() < 3e-7
    assert quantize(NETWORK_INPUT, 0.007843137718737125, -1)[194] == 71  # 72.499995 - 1, rounded
    digest = "ae5dd4454064bfd2e947897e0eefa6b254423a025edcbd6ef624687a8ee705fb"
    assert hashlib.sha256(NETWORK_INPUT.tobytes()).hexdigest() == digest
