"""The optical flow of luma: right for shifts, turns and a moving thing, and zero where nothing moves."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.live.motion import estimate_flow, leaves_frame, move, window_mean

SIZE = 112


def texture(seed: int, size: int = SIZE) -> F32:
    """Return smooth structure of about sixteen pixels, in [0, 255]."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (size // 16, size // 16)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def shifted(picture: F32, dy: float, dx: float, size: int = SIZE) -> F32:
    """Return the middle of a larger picture, its content moved down by dy and right by dx pixels."""
    margin = (picture.shape[0] - size) // 2
    image = Image.fromarray(picture)
    moved = image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, -dx, 0, 1, -dy), Image.Resampling.BILINEAR
    )
    return np.asarray(moved)[margin : margin + size, margin : margin + size].copy()


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (0.5, 0), (0, -1.5), (3, 2), (-6, 5)])
def test_a_shift_is_measured(dy: float, dx: float) -> None:
    large = texture(1, 144)
    flow = estimate_flow(shifted(large, 0, 0), shifted(large, dy, dx))[:, 12:-12, 12:-12]
    np.testing.assert_allclose(np.median(flow, axis=(1, 2)), (-dy, -dx), atol=0.15)
    errors = np.hypot(flow[0] + dy, flow[1] + dx)
    assert np.median(errors) < 0.35 and np.percentile(errors, 90) < 1


def test_nothing_moves_in_a_still_picture() -> None:
    picture = texture(2)
    np.testing.assert_allclose(estimate_flow(picture, picture), 0, atol=1e-3)
    flat = np.full((SIZE, SIZE), 90, np.float32)
    np.testing.assert_array_equal(estimate_flow(flat, flat), 0)


def test_a_moved_picture_is_the_picture_before_along_the_flow() -> None:
    large = texture(3, 144)
    before, now = shifted(large, 0, 0), shifted(large, 2, -3)
    moved = move(before[None], estimate_flow(before, now))[0]
    inside = slice(8, -8)
    assert np.abs(before - now)[inside, inside].mean() > 10
    assert np.abs(moved - now)[inside, inside].mean() < 1


def test_move_samples_between_pixels_and_repeats_the_border() -> None:
    planes = np.stack([np.arange(16, dtype=np.float32).reshape(4, 4)] * 2)
    half = np.full((2, 4, 4), 0.5, np.float32)
    np.testing.assert_allclose(move(planes, half)[0, :3, :3], planes[0, :3, :3] + 2.5)
    far = np.full((2, 4, 4), 9, np.float32)
    np.testing.assert_array_equal(move(planes, far), 15)
    np.testing.assert_array_equal(move(planes, 0 * far), planes)
    assert leaves_frame(far).all() and not leaves_frame(0 * far).any()


def test_the_window_mean_is_that_of_the_repeated_borders() -> None:
    planes = np.random.default_rng(4).uniform(0, 255, (2, 9, 7)).astype(np.float32)
    padded = np.pad(planes, ((0, 0), (2, 2), (2, 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    np.testing.assert_allclose(window_mean(planes, 2), windows.mean(axis=(3, 4)), rtol=1e-4)
