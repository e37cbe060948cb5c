"""The detector of true color: toned, cast and noisy gray pictures are gray, faded color pictures in color."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.colors.true_color import (
    SAMPLE_SIDE,
    is_true_color,
    measure_colors,
    sample_image,
    sample_plane,
)

CALIBRATION = sorted((Path(__file__).parents[3] / "calibration").glob("*.jpg"))[:12]
SEPIA = (1.351, 1.203, 0.937)


@pytest.fixture(params=CALIBRATION, ids=lambda path: path.stem)
def photograph(request: pytest.FixtureRequest) -> Image.Image:
    with Image.open(request.param) as image:
        return image.convert("RGB")


def decide(rgb: Image.Image | np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> bool:
    if not isinstance(rgb, Image.Image):
        rgb = Image.fromarray(np.rint(np.clip(rgb, 0, 255)).astype(np.uint8))
    return is_true_color(*sample_image(rgb))


def test_a_color_photograph_is_in_color(photograph: Image.Image) -> None:
    assert decide(photograph)
    gray = np.asarray(photograph.convert("L").convert("RGB"), float)
    assert decide(gray + 0.6 * (np.asarray(photograph, float) - gray)), "faded"


def test_gray_toned_and_cast_pictures_are_gray(photograph: Image.Image) -> None:
    gray = np.asarray(photograph.convert("L").convert("RGB"), float)
    across = np.linspace(-0.05, 0.05, gray.shape[1])[None, :, None] * np.array([1, 0, -1])
    noise = np.random.default_rng(0).normal(0, 6, gray.shape)
    for name, version in {
        "gray": gray,
        "sepia": gray * SEPIA,
        "faint sepia": 0.7 * gray + 0.3 * np.minimum(gray * SEPIA, 255),
        "cyanotype": np.array([10, 25, 60]) + gray * np.array([0.88, 0.86, 0.7]),
        "cast": gray * np.array([1.1, 1, 0.8]),
        "cast added": gray + np.array([20, 5, -25]),
        "gammas": 255 * (gray / 255) ** np.array([0.85, 1, 1.25]),
        "yellowed to one side": gray * (1 + across),
        "noise": gray + noise,
        "negative": 255 - gray * np.array([0.6, 0.8, 1]),
    }.items():
        assert not decide(version), name


def test_a_picture_of_one_color_is_not_in_color() -> None:
    assert measure_colors(*sample_image(Image.new("RGB", (40, 30), (200, 40, 40)))) == 0
    assert not decide(Image.new("RGB", (1, 1), (200, 40, 40)))


def test_patches_of_the_same_brightness_are_in_color() -> None:
    """Two colors of different brightness could be a toned picture."""
    colors = [(120, 60, 60), (60, 60, 120), (60, 120, 60), (80, 80, 80)]
    picture = Image.new("RGB", (80, 80))
    for number in range(16):
        x, y = 20 * (number % 4), 20 * (number // 4)
        picture.paste(colors[(number + number // 4) % 4], (x, y, x + 20, y + 20))
    assert decide(picture)


def test_a_plane_of_any_shape_is_sampled() -> None:
    plane: U8 = np.arange(256, dtype=np.uint8)[None].repeat(3, axis=0)
    sample = sample_plane(plane)
    assert sample.shape == (SAMPLE_SIDE, SAMPLE_SIDE)
    assert sample[0, 0] == 1 and sample[-1, -1] == 255
