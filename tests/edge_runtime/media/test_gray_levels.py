"""Gray of more than 8 bits: the levels fit the picture, follow it smoothly, and can be fixed."""

from __future__ import annotations

import numpy as np
import pytest

from edgecolor_runtime import UsageError
from edgecolor_runtime.media.gray_levels import GrayLevels, parse_range

WHITE = 65_535


def scene(low: int, high: int, seed: int = 0) -> np.ndarray:
    """A picture whose values span this range evenly."""
    values = np.linspace(low, high, 120 * 160).astype(np.uint16)
    return np.random.default_rng(seed).permutation(values).reshape(120, 160)


@pytest.mark.parametrize("span", [(29_000, 31_500), (4, 1_023), (0, 4_095), (50_000, 51_000)])
def test_a_small_range_becomes_black_to_white(span: tuple[int, int]) -> None:
    levels, picture = GrayLevels(), scene(*span)
    scaled = levels.scale(picture, WHITE, 0.0).astype(int)
    wanted = (picture.astype(float) - span[0]) * 255 / (span[1] - span[0])
    assert np.abs(scaled - wanted).max() < 2
    assert levels.note is not None and "--range LOW:HIGH" in levels.note


@pytest.mark.parametrize("span", [(0, 65_535), (2_000, 40_000)])
def test_a_picture_that_uses_its_type_keeps_its_brightness(span: tuple[int, int]) -> None:
    levels, picture = GrayLevels(), scene(*span)
    assert np.abs(levels.scale(picture, WHITE, 0.0).astype(float) - picture / 257).max() <= 0.5
    assert levels.note is None


def test_levels_follow_the_picture_and_do_not_flicker() -> None:
    levels = GrayLevels()
    rng = np.random.default_rng(1)
    means = []
    for number in range(60):  # noise of a sensor, 30 frames per second
        noisy = scene(29_000, 31_500, number) + rng.integers(-40, 41, (120, 160))
        means.append(levels.scale(noisy.astype(np.uint16), WHITE, number / 30).mean())
    assert np.ptp(means) < 1
    hot = scene(29_000, 31_500)
    hot[:20] = 36_000  # something hot comes into the picture: it shows at once, and the range follows
    first = levels.scale(hot, WHITE, 2.0)
    later = [levels.scale(hot, WHITE, 2 + number / 30) for number in range(1, 31)][-1]
    assert first[:20].min() == 255 and later[20:].max() < 120
    back = [levels.scale(scene(29_000, 31_500), WHITE, 3 + number / 30) for number in range(600)]
    assert back[3].max() < 150 and back[-1].max() > 240, "a narrower range is taken slowly"


def test_noise_of_an_even_picture_is_not_amplified() -> None:
    rng = np.random.default_rng(2)
    even = (30_000 + rng.integers(-5, 6, (120, 160))).astype(np.uint16)
    assert np.ptp(GrayLevels().scale(even, WHITE, 0.0)) < 30


def test_a_fixed_range() -> None:
    levels = GrayLevels((1_000, 2_000))
    picture = np.array([[0, 1_000, 1_500, 2_000, 60_000]], np.uint16)
    for seconds in (0.0, 5.0):
        assert levels.scale(picture, WHITE, seconds).tolist() == [[0, 0, 128, 255, 255]]
    assert levels.note is None
    assert parse_range("7200:8100.5") == (7200.0, 8100.5)


@pytest.mark.parametrize("text", ["", "5", "9:3", "3:3", "a:b", "1:2:3", "nan:3", "0:inf"])
def test_ranges_that_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it as LOW:HIGH"):
        parse_range(text)
