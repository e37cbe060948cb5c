"""Measures against published figures, against scikit-image, and against what they mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from edgecolor.evaluation import metrics
from edgecolor_runtime.colors.spaces import F32

# Sharma, Wu and Dalal 2005, table 1: L, a, b of both colors, then the difference.
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_ciede2000_gives_the_published_differences() -> None:
    table = np.array(SHARMA.split(), np.float64).reshape(34, 7)
    one, two, published = table[:, :3], table[:, 3:6], table[:, 6]
    np.testing.assert_allclose(metrics.ciede2000(one, two), published, atol=5.1e-5)
    np.testing.assert_allclose(metrics.ciede2000(two, one), published, atol=5.1e-5)


def test_ciede2000_in_float32_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(1)
    one, two = (rng.uniform([0, -100, -100], [100, 100, 100], (4000, 3)).astype(np.float32) for _ in range(2))
    two[:500] = one[:500] + rng.normal(0, 1, (500, 3)).astype(np.float32)
    two[500:600, 1:] = 0  # gray against colored
    ours = metrics.ciede2000(one, two)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, deltaE_ciede2000(one.astype(float), two.astype(float)), atol=5e-3)
    assert (metrics.ciede2000(one, one) == 0).all()


def test_psnr_agrees_with_scikit_image_and_equal_pictures_are_finite() -> None:
    rng = np.random.default_rng(2)
    one, two = (rng.integers(0, 256, (40, 30, 3), dtype=np.uint8) for _ in range(2))
    assert metrics.psnr(one, two) == pytest.approx(
        peak_signal_noise_ratio(one, two, data_range=255), abs=1e-4
    )
    assert metrics.psnr(one, one) == pytest.approx(10 * math.log10(255**2 / metrics.MIN_SQUARED_ERROR))


def test_colorfulness_of_known_pictures() -> None:
    halves = np.zeros((2, 2, 3), np.uint8)
    halves[0] = (255, 0, 0)
    halves[1] = (0, 255, 0)
    # rg is +-255 around 0; yb is 127.5 everywhere.
    assert metrics.colorfulness(halves) == pytest.approx(255 + 0.3 * 127.5, rel=1e-6)
    gray = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert metrics.colorfulness(gray) == 0


def test_colorfulness_keeps_its_precision_on_a_large_picture() -> None:
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    wide = rgb.astype(np.float64)
    rg, yb = wide[..., 0] - wide[..., 1], (wide[..., 0] + wide[..., 1]) / 2 - wide[..., 2]
    expected = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert metrics.colorfulness(rgb) == pytest.approx(expected, rel=1e-5)


def test_small_measures() -> None:
    ab: F32 = np.array([[3, 4], [0, 0]], np.float32)
    assert metrics.mean_chroma(ab) == 2.5
    assert metrics.ab_difference(ab, np.zeros_like(ab)) == 1.75
    assert metrics.luma_drift(np.array([[250, 5]], np.uint8), np.array([[255, 0]], np.uint8)) == 5


def test_ssim_is_scikit_images() -> None:
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 256, (40, 52, 3)).astype(np.uint8)
    picture = np.clip(truth + rng.normal(0, 25, truth.shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(truth, picture, channel_axis=-1, data_range=255)
    assert metrics.ssim(picture, truth) == pytest.approx(expected, abs=1e-9)
    assert metrics.ssim(truth, truth) == 1


def test_hue_error_counts_turns_and_leaves_out_gray() -> None:
    truth = np.array([[20.0, 0.0], [0.0, 20.0], [-20.0, -1.0], [3.0, 3.0]])
    turned = np.array([[0.0, 5.0], [0.0, 5.0], [-20.0, 1.0], [-9.0, 9.0]])  # 90, 0, 5.7 degrees; too gray
    expected = (90 + 0 + 2 * math.degrees(math.atan(1 / 20))) / 3
    assert metrics.hue_error(turned, truth) == pytest.approx(expected)
    assert metrics.hue_error(turned * 0.01, truth) is None
    assert metrics.hue_error(turned, truth * 0.1) is None
