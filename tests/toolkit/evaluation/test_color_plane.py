"""The color plane, on pictures whose place is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.evaluation import color_plane
from edgecolor.evaluation.color_plane import compute_plane, pair_gains, plain_point, score_photograph, tinted
from edgecolor.evaluation.evaluator import crop_square
from edgecolor.evaluation.scores import AS_IS, SATURATIONS, Point, Score
from edgecolor_runtime.colors.spaces import U8, lab_to_rgb, lightness_to_gray, rgb_to_lab
from edgecolor_runtime.errors import DataError

PHOTOGRAPHS = sorted((Path(__file__).parents[3] / "calibration").glob("*.jpg"))[:6]
TINT = np.array([3.0, 8.0], np.float32)


def photograph(path: Path) -> tuple[U8, U8]:
    rgb = crop_square(Image.open(path))
    return rgb, lightness_to_gray(rgb_to_lab(rgb)[..., 0])


def as_rgb(gray: U8) -> U8:
    return np.repeat(gray[..., None], 3, axis=-1)


def less_color(rgb: U8, share: float) -> U8:
    lab = rgb_to_lab(rgb)
    lab[..., 1:] *= share
    return np.rint(lab_to_rgb(lab)).astype(np.uint8)


def scores_of(*, share: float) -> list[Score]:
    scores = []
    for path in PHOTOGRAPHS:
        rgb, gray = photograph(path)
        scores.append(
            score_photograph(path.name, original=rgb, gray=gray, finished=less_color(rgb, share), tint=TINT)
        )
    return scores


def test_the_floors_and_hues_of_the_true_color_and_of_its_opposite() -> None:
    rgb, gray = photograph(PHOTOGRAPHS[0])
    lab = rgb_to_lab(rgb)
    mean = lab[..., 1:].mean((0, 1))
    true = compute_plane(
        [score_photograph("true", original=rgb, gray=gray, finished=less_color(rgb, 1.0), tint=mean)]
    )
    assert true.tint_gain > 0, "its own mean color is nearer than gray"
    assert true.gain_over_tint == pytest.approx(true.gain - true.tint_gain)
    assert true.ssim > 0.99 > true.gray_ssim
    assert true.hue_error is not None and true.hue_error < 2
    assert abs(true.colorfulness_difference) < 0.01
    opposite = compute_plane(
        [score_photograph("opposite", original=rgb, gray=gray, finished=less_color(rgb, -0.3), tint=mean)]
    )
    assert opposite.hue_error is not None and opposite.hue_error > 160
    assert opposite.colorfulness_difference < -0.4
    assert np.abs(rgb_to_lab(tinted(gray, mean))[..., 1:].mean((0, 1)) - mean).max() < 1


def test_the_true_color_reaches_the_original() -> None:
    placed = compute_plane(scores_of(share=1.0))
    assert placed.gain > 10
    assert placed.best == placed.gain, "the true color must be best at saturation 1"
    assert placed.share == pytest.approx(1, abs=0.01)
    assert placed.colorfulness_error < 0.01
    assert placed.ciede2000 < 0.5
    assert placed.gray_ciede2000 > 3
    assert placed.g56 is not None and placed.g83 is not None
    assert 0 < placed.g56 < placed.g83 < placed.gain


def test_gray_stays_at_the_origin() -> None:
    scores = []
    for path in PHOTOGRAPHS:
        rgb, gray = photograph(path)
        scores.append(score_photograph(path.name, original=rgb, gray=gray, finished=as_rgb(gray), tint=TINT))
    placed = compute_plane(scores)
    assert placed.gain == placed.best == placed.share == 0
    assert placed.colorfulness_error == 1
    assert placed.g56 is None and placed.g83 is None
    assert placed.ciede2000 == placed.gray_ciede2000
    assert placed.luma_drift == 0


def test_half_the_color_is_found_again_at_double_saturation() -> None:
    full, half = compute_plane(scores_of(share=1.0)), compute_plane(scores_of(share=0.625))
    at = SATURATIONS.index(1.6)
    assert half.curve[at].share == pytest.approx(full.share, abs=0.01)
    assert half.curve[AS_IS].share < 0.7
    # The same color at another strength lies on the same curve, but for 8-bit rounding.
    assert full.g56 is not None and half.g56 == pytest.approx(full.g56, abs=0.05)


def test_the_curve_is_what_the_protocol_says() -> None:
    rgb, gray = photograph(PHOTOGRAPHS[0])
    placed = score_photograph("one", original=rgb, gray=gray, finished=less_color(rgb, 0.8), tint=TINT)
    lab = rgb_to_lab(less_color(rgb, 0.8))
    lab[..., 0] = rgb_to_lab(as_rgb(gray))[..., 0]
    lab[..., 1:] *= 1.3
    picture = np.rint(lab_to_rgb(lab))
    error = ((picture - rgb.astype(np.float64)) ** 2).mean()
    at = SATURATIONS.index(1.3)
    assert placed.psnr[at] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert SATURATIONS[0] == 0 and SATURATIONS[-1] == 1.6 and len(SATURATIONS) == 17


def test_interpolation_between_saturations() -> None:
    ramp = tuple(float(s) for s in SATURATIONS)
    flat = Score("a", 1.0, ramp, tuple(20 + s for s in ramp), 0, 0, 0, 0, 1, 1, 20, None)
    placed = compute_plane([flat])
    assert placed.g56 == pytest.approx(0.56)
    assert placed.g83 == pytest.approx(0.83)
    assert placed.best == pytest.approx(1.6)


def test_pairing_cancels_what_photographs_have_in_common() -> None:
    rng = np.random.default_rng(4)
    ramp = np.array(SATURATIONS)
    ours, reference = [], []
    for i in range(50):
        slope = rng.normal(0, 3)  # the scatter between photographs
        made = Score(f"{i}", 1.0, tuple(ramp), tuple(20 + slope * ramp), 0, 0, 0, 0, 1, 1, 20, None)
        better = tuple(20 + (slope + 0.1 + rng.normal(0, 0.01)) * ramp)
        reference.append(made)
        ours.append(dataclasses.replace(made, psnr=better))
    paired = pair_gains(ours, reference)
    for name, share in color_plane.SHARES.items():
        difference = getattr(paired, name)
        assert difference is not None
        assert difference.mean == pytest.approx(0.1 * share, abs=0.005)
        assert difference.error < 0.005, "the scatter of 3 dB did not cancel"
        one, two = getattr(compute_plane(ours), name), getattr(compute_plane(reference), name)
        assert difference.mean == pytest.approx(one - two), "pairing must agree with the two planes"


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="No photograph"):
        compute_plane([])
    _, gray = photograph(PHOTOGRAPHS[0])
    colorless = score_photograph(
        "gray.png", original=as_rgb(gray), gray=gray, finished=as_rgb(gray), tint=TINT
    )
    with pytest.raises(DataError, match="no color"):
        compute_plane([colorless])
    with pytest.raises(DataError, match="different photographs"):
        pair_gains([colorless], [dataclasses.replace(colorless, name="other.png")])


def test_what_the_model_would_be_without_its_own_saturation() -> None:
    curve = [Point(0.0, 0.0, 0.0), Point(1.0, 0.6, 1.0), Point(1.6, 1.2, -0.2)]
    assert plain_point(curve, 2.0) == Point(0.5, 0.3, 0.5)
    below = plain_point(curve, 1 / 1.3)
    assert below is not None
    assert [below.share, below.gain] == pytest.approx([0.9, 0.4])
    assert plain_point(curve, 1.0) is None
    assert plain_point(curve, 0.5) is None
