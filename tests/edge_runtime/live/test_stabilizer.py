"""Stabilized colors: averaged where the picture is known, moved with it, fresh where it is new or was cut."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

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
    # One level per frame is less than noise. Averaged like a still region, colors would lag by 24 frames.
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


def photograph(seed: int) -> U8:
    """Return smooth structure with room for motion, shape (320, 320)."""
    coarse = np.random.default_rng(seed).integers(20, 230, (20, 20), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((320, 320), Image.Resampling.BICUBIC))


def view(picture: U8, top: int, left: int) -> U8:
    return picture[top : top + INPUT_SIZE, left : left + INPUT_SIZE]


def map_colors(picture: U8, top: int, left: int) -> F32:
    """Return colors that belong to the places of the photograph, as a view of it shows them."""
    luma = view(picture, top, left)[::4, ::4].astype(np.float32)
    return np.stack([luma / 4 - 30, 30 - luma / 5], axis=-1)


def test_colors_follow_a_pan() -> None:
    picture, generator, stabilizer = photograph(5), np.random.default_rng(5), Stabilizer()
    alone, shown = [], []
    for frame in range(40):
        true = map_colors(picture, 40, 2 * frame)
        predicted = true + generator.normal(0, 6, true.shape).astype(np.float32)
        stable = stabilizer.stabilize(view(picture, 40, 2 * frame), predicted)
        if frame >= 20:
            alone.append(np.abs(predicted - true)[4:-4, 4:-8].mean())
            shown.append(np.abs(stable - true)[4:-4, 4:-8].mean())
    assert np.mean(shown) < np.mean(alone) / 2.5


def test_a_step_of_exposure_is_no_cut() -> None:
    picture, stabilizer = photograph(6), Stabilizer()
    kept = np.full((CHROMA_SIZE, CHROMA_SIZE, 2), 20, np.float32)
    stabilizer.stabilize(view(picture, 40, 40), kept)
    darker = (view(picture, 40, 40) * 0.6).astype(np.uint8)
    shown = stabilizer.stabilize(darker, np.zeros_like(kept))
    assert np.median(shown) > 20 * (1 - 2 * STILL_WEIGHT)


def test_a_switch_to_infrared_is_a_cut() -> None:
    picture, stabilizer = photograph(7), Stabilizer()
    stabilizer.stabilize(view(picture, 40, 40), np.full((CHROMA_SIZE, CHROMA_SIZE, 2), 20, np.float32))
    infrared = 255 - view(picture, 40, 40)
    shown = stabilizer.stabilize(infrared, np.zeros((CHROMA_SIZE, CHROMA_SIZE, 2), np.float32))
    np.testing.assert_array_equal(shown, 0)


def test_the_ground_beside_a_moving_thing_keeps_its_colors() -> None:
    ground, stabilizer = view(photograph(8), 40, 40), Stabilizer()
    thing = view(photograph(9), 40, 40)[:80, :60]
    ab = np.full((CHROMA_SIZE, CHROMA_SIZE, 2), 10, np.float32)
    for frame in range(6):
        seen = ground.copy()
        seen[70:150, 12 * frame : 12 * frame + 60] = thing
        shown = stabilizer.stabilize(seen, ab if frame == 0 else -ab)
    behind = shown[:15].mean(), shown[40:].mean(), shown[20:35, 36:].mean()
    assert min(behind) > 10 - 20 * (1 - (1 - STILL_WEIGHT) ** 5) - 1, "the ground lets predictions in slowly"


def test_carried_colors_follow_the_picture_until_too_much_is_new() -> None:
    picture, stabilizer = photograph(10), Stabilizer()
    assert stabilizer.carry(view(picture, 40, 0)) is None, "there are no colors yet"
    stabilizer.stabilize(view(picture, 40, 0), map_colors(picture, 40, 0))
    for left in (3, 6, 9):
        shown = stabilizer.carry(view(picture, 40, left))
        assert shown is not None
        error = np.abs(shown - map_colors(picture, 40, left))[4:-4, 4:-6]
        assert error.mean() < 1
    assert stabilizer.carry(255 - view(picture, 40, 12)) is None, "another scene"


def test_what_appeared_while_colors_were_carried_takes_the_next_prediction() -> None:
    ground, stabilizer = view(photograph(11), 40, 40), Stabilizer()
    red, blue = (np.full((CHROMA_SIZE, CHROMA_SIZE, 2), value, np.float32) for value in (20, -20))
    stabilizer.stabilize(ground, red)
    seen = ground.copy()
    seen[64:160, 64:160] = 255 - seen[64:160, 64:160] // 8
    assert stabilizer.carry(seen) is not None
    shown = stabilizer.stabilize(seen, blue)
    np.testing.assert_allclose(shown[20:36, 20:36], -20, atol=1)
    assert shown[:10].mean() > 20 - 40 * 3 * STILL_WEIGHT
