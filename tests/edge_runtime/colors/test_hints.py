"""Colors given by hand: exact at their pixels, spread to the region, never across edges or into the luma."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.chroma_spread import ChromaSpread
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.hints import MAX_HINTS, Hint, HintSet, apply_hints
from edgecolor_runtime.colors.spaces import F32, rgb_to_chroma, rgb_to_lab
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.inference.preprocess import block_mean, squash

BLUE, RED, GRAY = (90, 110, 170), (170, 90, 90), (128, 128, 128)


@pytest.fixture
def two_halves() -> Image.Image:
    """A dark half and a light half with a strong edge between them at column 224."""
    luma = np.random.default_rng(1).normal(0, 3, (336, 448)) + np.where(np.arange(448) < 224, 90, 170)
    return Image.fromarray(luma.clip(0, 255).astype(np.uint8))


def predicted(gray: Image.Image, chroma: tuple[float, float] = (4, 6)) -> tuple[ColorFrame, F32]:
    seen = block_mean(squash(gray))
    return ColorFrame(gray, np.full((56, 56, 2), chroma, np.float32), seen), seen


def color(gray: Image.Image, *hints: Hint, reach: float = 1.0) -> Image.Image:
    frame, seen = predicted(gray)
    return apply_hints(frame, seen, HintSet(hints, reach)).to_rgb()


def ab_at(picture: Image.Image, x: int, y: int) -> F32:
    return rgb_to_lab(np.asarray(picture)[y, x])[1:]


def chroma_of(picture: Image.Image) -> F32:
    return rgb_to_chroma(np.asarray(picture).astype(np.float32))


@pytest.mark.parametrize("hint", [Hint(60, 50, BLUE), Hint(5, 330, RED), Hint(219, 100, GRAY)])
def test_a_hint_is_exact_at_its_pixel_and_leaves_the_luma(two_halves: Image.Image, hint: Hint) -> None:
    colored = color(two_halves, hint)
    wanted = rgb_to_lab(np.array(hint.color, np.uint8))[1:]
    assert np.hypot(*(ab_at(colored, hint.x, hint.y) - wanted)) < 2
    change = np.abs(np.asarray(colored.convert("L")).astype(int) - np.asarray(two_halves))
    assert change.max() <= 1


def test_several_hints_are_all_exact(two_halves: Image.Image) -> None:
    hints = [Hint(30, 30, BLUE), Hint(60, 300, RED), Hint(180, 170, GRAY), Hint(400, 100, RED)]
    colored = color(two_halves, *hints)
    for hint in hints:
        wanted = rgb_to_lab(np.array(hint.color, np.uint8))[1:]
        assert np.hypot(*(ab_at(colored, hint.x, hint.y) - wanted)) < 2


def test_a_hint_colors_its_region_and_nothing_beyond_a_strong_edge(two_halves: Image.Image) -> None:
    before = chroma_of(color(two_halves))
    change = np.abs(chroma_of(color(two_halves, Hint(60, 100, BLUE))) - before).max(axis=-1)
    assert change[:, 232:].max() <= 1.5, "beyond the edge: rounding only"
    assert change[80:120, 40:80].min() > 10
    assert np.median(change[:, :210]) > 4


def test_the_order_of_hints_does_not_matter(two_halves: Image.Image) -> None:
    hints = [Hint(30, 30, BLUE), Hint(60, 300, RED), Hint(33, 33, GRAY)]
    forward, backward = color(two_halves, *hints), color(two_halves, *hints[::-1])
    np.testing.assert_allclose(np.asarray(forward).astype(int), np.asarray(backward), atol=1)


def test_a_place_that_is_kept_stops_the_spread(two_halves: Image.Image) -> None:
    before = chroma_of(color(two_halves))
    alone = chroma_of(color(two_halves, Hint(40, 60, BLUE)))
    kept = chroma_of(color(two_halves, Hint(40, 60, BLUE), Hint(40, 280, None)))
    assert np.abs(alone - before)[280, 40].max() > 3
    assert np.abs(kept - before)[280, 40].max() <= 1.5


def test_a_larger_reach_spreads_farther(two_halves: Image.Image) -> None:
    before = chroma_of(color(two_halves))
    near, far = (
        np.abs(chroma_of(color(two_halves, Hint(40, 40, BLUE), reach=reach)) - before)[300, 180].max()
        for reach in (0.3, 3)
    )
    assert far > 2 * near + 2


def test_no_hints_change_nothing(two_halves: Image.Image) -> None:
    frame, seen = predicted(two_halves)
    assert apply_hints(frame, seen, HintSet(())) is frame


@pytest.mark.parametrize(
    ("hint_set", "message"),
    [
        (
            HintSet((Hint(448, 0, RED),)),
            "hint 448,0 lies outside the picture: columns 0 to 447, rows 0 to 335",
        ),
        (HintSet((Hint(1, 1, RED), Hint(1, 1, BLUE))), "pixel 1,1 has two hints"),
        (HintSet((Hint(1, 1, RED),), reach=0), "reach 0"),
        (HintSet((Hint(1, 1, RED),), size=(10, 20)), "a picture of 10 x 20 pixels; this one has 448 x 336"),
        (HintSet(tuple(Hint(i, 0, RED) for i in range(448)) * 2), f"a picture can have {MAX_HINTS}"),
    ],
)
def test_hints_that_do_not_fit_are_refused(two_halves: Image.Image, hint_set: HintSet, message: str) -> None:
    frame, seen = predicted(two_halves)
    with pytest.raises(UsageError, match=message):
        apply_hints(frame, seen, hint_set)


def test_neighboring_hints_of_opposite_colors_stay_finite(two_halves: Image.Image) -> None:
    colored = chroma_of(color(two_halves, Hint(60, 60, BLUE), Hint(61, 60, RED)))
    assert np.isfinite(colored).all() and np.abs(colored).max() <= 128


def test_the_response_is_that_of_the_whole_linear_system() -> None:
    generator = np.random.default_rng(2)
    luma = generator.uniform(0, 60, (6, 5)).astype(np.float32)
    chroma = generator.uniform(-8, 8, (6, 5, 2)).astype(np.float32)
    matrix = np.zeros((30, 30))
    for y in range(6):
        for x in range(5):
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if not (0 <= y + dy < 6 and 0 <= x + dx < 5):
                    continue
                distance = (float(luma[y, x]) - float(luma[y + dy, x + dx])) ** 2 / 8**2
                distance += (
                    float(((chroma[y, x] - chroma[y + dy, x + dx]).astype(np.float64) ** 2).sum()) / 4**2
                )
                weight = np.exp(-distance / 2) / (dy * dy + dx * dx)
                one, other = 5 * y + x, 5 * (y + dy) + x + dx
                matrix[one, one] += weight
                matrix[other, other] += weight
                matrix[one, other] -= weight
                matrix[other, one] -= weight
    sources = generator.uniform(0, 1, (6, 5, 3))
    wanted = np.linalg.solve(matrix + 2e-3 / 4 * np.eye(30), sources.reshape(30, 3)).reshape(6, 5, 3)
    np.testing.assert_allclose(ChromaSpread(luma, chroma, reach=2).respond(sources), wanted, rtol=1e-5)
