"""Stabilized colors: averaged in still regions, fresh in moving ones and after a cut or a reset."""

from __future__ import annotations

import numpy as np
import pytest

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.live.stabilizer import STILL_WEIGHT, Stabilizer
from edgecolor_runtime.models.signature import CHROMA_SIZE, INPUT_SIZE


@pytest.fixture
def scene() -> U8:
    """A textured scene, shape (224, 224)."""
    return np.random.default_rng(1).integers(40, 200, (INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)


def colors(generator: np.random.Generator) -> F32:
    return generator.normal(0, 10, (CHROMA_SIZE, CHROMA_SIZE, 2)).astype(np.float32)


def test_still_regions_flicker_a_quarter_as_much(scene: U8) -> None:
    generator, stabilizer = np.random.default_rng(2), Stabilizer()
    alone, shown = [], []
    for _ in range(60):
        noise = generator.normal(0, 4, scene.shape)
        ab = colors(generator)
        alone.append(ab)
        shown.append(stabilizer.stabilize((scene + noise).clip(0, 255).astype(np.uint8), ab))
    flicker = [np.abs(np.diff(np.stack(frames), axis=0)).mean() for frames in (alone, shown)]
    assert flicker[1] <= flicker[0] / 4
    assert np.abs(shown[-1]).mean() < np.abs(alone[-1]).mean() / 2, "the average of noise about gray is gray"


def test_moving_regions_change_at_once_and_the_rest_is_averaged(scene: U8) -> None:
    generator, stabilizer = np.random.default_rng(3), Stabilizer()
    first, second = colors(generator), colors(generator)
    np.testing.assert_array_equal(stabilizer.stabilize(scene, first), first)
    moved = scene.copy()
    moved[80:120, 80:120] = 255 - moved[80:120, 80:120] // 4
    shown = stabilizer.stabilize(moved, second)
    np.testing.assert_allclose(shown[20:30, 20:30], second[20:30, 20:30], atol=1e-5)
    np.testing.assert_allclose(shown[:15], first[:15] + STILL_WEIGHT * (second - first)[:15], atol=1e-5)


def test_slow_change_counts_as_motion(scene: U8) -> None:
    # One level per frame is less than noise. Averaged like a still region, colors would lag by 11.5 frames.
    stabilizer, ab = Stabilizer(), np.zeros((CHROMA_SIZE, CHROMA_SIZE, 2), np.float32)
    for level in range(40):
        ab = np.full_like(ab, level)
        shown = stabilizer.stabilize((scene + level).clip(0, 255).astype(np.uint8), ab)
    assert (ab - shown).max() < 5


def test_nothing_is_averaged_after_a_cut_or_a_reset(scene: U8) -> None:
    generator, stabilizer = np.random.default_rng(4), Stabilizer()
    for _ in range(5):
        stabilizer.stabilize(scene, colors(generator))
    ab = colors(generator)
    np.testing.assert_array_equal(stabilizer.stabilize(255 - scene // 4, ab), ab)
    stabilizer.reset()
    ab = colors(generator)
    np.testing.assert_array_equal(stabilizer.stabilize(255 - scene // 4, ab), ab)
