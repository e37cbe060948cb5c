"""The network sees faded, dark and mounted pictures as good ones; good pictures are not changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edgecolor_runtime import Colorizer
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.inference.normalization import (
    GOOD_RANGE,
    STRETCHED_BLACK,
    STRETCHED_WHITE,
    WHOLE,
    Box,
    Normalization,
    Tones,
    find_inside,
    measure_normalization,
    measure_tones,
    stretch,
)
from edgecolor_runtime.inference.preprocess import squash

PHOTOGRAPHS = sorted((Path(__file__).parents[3] / "examples" / "photographs").glob("*.jpg"))
MOUNTED = Box(30, 40, 190, 200)


@pytest.fixture(scope="module")
def photograph() -> U8:
    """A good photograph as the network sees it, shape (224, 224)."""
    return squash(open_picture(PHOTOGRAPHS[0]).gray)


def squeeze(gray: U8, black: int, white: int) -> U8:
    return np.asarray(np.rint(black + gray * ((white - black) / 255)), dtype=np.uint8)


def distance(one: U8, other: U8) -> float:
    """Return the mean difference of luma, in levels."""
    return float(np.abs(one.astype(int) - other).mean())


def mount(gray: U8, level: int, box: Box = MOUNTED) -> U8:
    """Put a picture on a mount with the grain of paper."""
    grain = np.random.default_rng(1).normal(level, 2, gray.shape).clip(0, 255).astype(np.uint8)
    mounted = Image.fromarray(grain)
    size = box.right - box.left, box.bottom - box.top
    mounted.paste(Image.fromarray(gray).resize(size, Image.Resampling.BILINEAR), box[:2])
    return np.asarray(mounted)


def test_good_pictures_are_not_changed() -> None:
    for path in PHOTOGRAPHS:
        gray = squash(open_picture(path).gray)
        normalization = measure_normalization(gray)
        tones = normalization.tones
        assert normalization.inside == WHOLE
        if tones.white - tones.black >= GOOD_RANGE:
            assert normalization.apply(gray) is gray
        else:  # soft light
            assert distance(normalization.apply(gray), gray) < 12


def test_whole_pictures_keep_their_colors(photograph: U8) -> None:
    ab = np.random.default_rng(2).normal(0, 10, (56, 56, 2)).astype(np.float32)
    assert measure_normalization(photograph).place(ab) is ab


@pytest.mark.parametrize(("black", "white"), [(95, 197), (0, 115), (140, 255), (40, 140)])
def test_faded_and_dark_pictures_become_good_ones(photograph: U8, black: int, white: int) -> None:
    faded = squeeze(photograph, black, white)
    stretched = measure_normalization(faded).apply(faded)
    tones = measure_tones(stretched)
    assert tones.black == pytest.approx(min(STRETCHED_BLACK, measure_tones(faded).black), abs=1)
    assert tones.white == pytest.approx(STRETCHED_WHITE, abs=1) or white == 255
    assert distance(stretched, photograph) < 0.4 * distance(faded, photograph)


def test_the_stretch_grows_with_fading_and_never_jumps(photograph: U8) -> None:
    before: U8 | None = None
    for width in range(255, 2, -1):
        faded = squeeze(photograph, 0, width)
        stretched = stretch(faded, measure_tones(faded))
        assert measure_tones(stretched).white >= measure_tones(faded).white
        if before is not None:
            step = distance(stretched, before)
            assert step < 8, f"a jump of {step:.1f} levels at a width of {width} levels"
        before = stretched


@pytest.mark.parametrize("level", [0, 100, 255])
def test_a_blank_picture_stays_blank(level: int) -> None:
    blank = np.full((224, 224), level, np.uint8)
    normalization = measure_normalization(blank)
    assert normalization.inside == WHOLE and normalization.apply(blank) is blank
    noisy = (blank.clip(3, 252) + np.random.default_rng(3).integers(-3, 4, blank.shape)).astype(np.uint8)
    assert np.ptp(measure_normalization(noisy).apply(noisy)) < 60, "noise is not a picture"


@pytest.mark.parametrize("level", [4, 215, 252])
def test_the_picture_inside_a_mount(photograph: U8, level: int) -> None:
    mounted = mount(squeeze(photograph, 30, 200) if level > 100 else photograph, level)
    inside = find_inside(mounted)
    assert np.abs(np.subtract(inside, MOUNTED)).max() <= 2
    normalized = measure_normalization(mounted).apply(mounted)
    assert normalized.shape == (224, 224)
    if level < 100:
        assert distance(normalized, photograph) < 12


def test_nested_borders_and_bars(photograph: U8) -> None:
    twice = mount(mount(photograph, 4, Box(16, 16, 208, 208)), 250, Box(20, 20, 204, 204))
    left = 20 + 16 * 184 / 224
    assert np.abs(np.subtract(find_inside(twice), (left, left, 224 - left, 224 - left))).max() <= 2.5
    bars = photograph.copy()
    bars[:30], bars[-28:] = 16, 16
    inside = find_inside(bars)
    assert (inside.left, inside.right) == (0, 224)
    assert abs(inside.top - 30) <= 2 and abs(inside.bottom - 196) <= 2


def a_sky_over_a_sea(photograph: U8) -> U8:
    scene = photograph.copy()
    scene[:110] = 200
    scene[110:] = 60
    return scene


def an_object_on_a_plain_background(photograph: U8) -> U8:
    picture = Image.new("L", (224, 224), 245)
    ImageDraw.Draw(picture).ellipse((50, 40, 170, 180), fill=90)
    return np.asarray(picture)


def one_dark_side(photograph: U8) -> U8:
    scene = photograph.copy()
    scene[:, :60] = 5
    return scene


def hairlines(photograph: U8) -> U8:
    scene = photograph.copy()
    scene[:2], scene[-2:] = 0, 0
    return scene


def a_stamp_on_an_envelope(photograph: U8) -> U8:
    return mount(photograph, 220, Box(80, 80, 140, 140))


@pytest.mark.parametrize(
    "scene",
    [a_sky_over_a_sea, an_object_on_a_plain_background, one_dark_side, hairlines, a_stamp_on_an_envelope],
)
def test_what_is_no_mount(photograph: U8, scene: Callable[[U8], U8]) -> None:
    assert find_inside(scene(photograph)) == WHOLE


def test_colors_of_the_inside_are_placed_and_the_mount_stays_gray() -> None:
    ab = np.full((56, 56, 2), (20, -10), np.float32)
    placed = Normalization(Box(30, 40, 190, 200), Tones(0, 255)).place(ab)
    assert placed.shape == (56, 56, 2) and placed.dtype == np.float32
    np.testing.assert_allclose(placed[10:50, 8:47], np.broadcast_to((20, -10), (40, 39, 2)), rtol=1e-5)
    assert not placed[:10].any() and not placed[50:].any() and not placed[:, :7].any()
    np.testing.assert_allclose(placed[20, 7], (10, -5), rtol=1e-5)  # half of this pixel is mount


def test_colors_of_a_faded_picture_are_those_of_the_good_one(photograph: U8) -> None:
    colorizer = Colorizer.shipped("s")
    good = colorizer.predict(photograph)

    def difference(ab: F32) -> float:
        return float(np.abs(ab - good).mean() / np.abs(good).mean())

    faded = squeeze(photograph, 95, 197)
    raw = colorizer.predict(faded, Normalization(WHOLE, Tones(0, 255)))
    assert difference(colorizer.predict(faded)) < 0.5 * difference(raw)


def test_the_luma_of_a_faded_picture_is_kept(photograph: U8) -> None:
    faded = Image.fromarray(mount(squeeze(photograph, 95, 197), 250)).resize((640, 480))
    colored = Colorizer.shipped("s").colorize(faded).to_rgb()
    difference = np.asarray(colored.convert("L"), int) - np.asarray(faded, int)
    assert np.abs(difference).max() <= 1
