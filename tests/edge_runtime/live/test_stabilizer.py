"""Calm colors: still regions average, moving ones follow, a cut starts anew."""

from __future__ import annotations

import numpy as np
import pytest

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.live.stabilizer import STILL, Calm
from edgecolor_runtime.models.signature import CHROMA_SIZE, INPUT_SIZE


@pytest.fixture
def scene() -> U8:
    """A textured scene, shape (224, 224)."""
    return np.random.default_rng(1).integers(40, 200, (INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)


def colors(generator: np.random.Generator) -> F32:
    return generator.normal(0, 10, (CHROMA_SIZE, CHROMA_SIZE, 2)).astype(np.float32)


def test_still_regions_change_a_fraction(scene: U8) -> None:
    generator, calm = np.random.default_rng(2), Calm()
    alone, shown = [], []
    for _ in range(60):
        noise = generator.normal(0, 4, scene.shape)
        ab = colors(generator)
        alone.append(ab)
        shown.append(calm((scene + noise).clip(0, 255).astype(np.uint8), ab))
    flicker = [np.abs(np.diff(np.stack(frames), axis=0)).mean() for frames in (alone, shown)]
    assert flicker[1] <= flicker[0] / 4
    assert np.abs(shown[-1]).mean() < np.abs(alone[-1]).mean() / 2, "the average of noise about gray is gray"


def test_what_moves_follows_at_once_and_the_rest_stays(scene: U8) -> None:
    generator, calm = np.random.default_rng(3), Calm()
    first, second = colors(generator), colors(generator)
    np.testing.assert_array_equal(calm(scene, first), first)
    moved = scene.copy()
    moved[80:120, 80:120] = 255 - moved[80:120, 80:120] // 4
    shown = calm(moved, second)
    np.testing.assert_allclose(shown[20:30, 20:30], second[20:30, 20:30], atol=1e-5)
    np.testing.assert_allclose(shown[:15], first[:15] + STILL * (second - first)[:15], atol=1e-5)


def test_what_creeps_is_noticed(scene: U8) -> None:
    # One level a frame is less than noise. Averaged like a still region, colors would lag 11.5 frames.
    calm, ab = Calm(), np.zeros((CHROMA_SIZE, CHROMA_SIZE, 2), np.float32)
    for level in range(40):
        ab = np.full_like(ab, level)
        shown = calm((scene + level).clip(0, 255).astype(np.uint8), ab)
    assert (ab - shown).max() < 5


def test_a_cut_and_a_reset_start_anew(scene: U8) -> None:
    generator, calm = np.random.default_rng(4), Calm()
    for _ in range(5):
        calm(scene, colors(generator))
    ab = colors(generator)
    np.testing.assert_array_equal(calm(255 - scene // 4, ab), ab)
    calm.reset()
    ab = colors(generator)
    np.testing.assert_array_equal(calm(255 - scene // 4, ab), ab)
