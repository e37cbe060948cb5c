"""Chroma planes: upsampling, and the limit that keeps the luma."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors import upsampling
from edgecolor_runtime.colors.spaces import F32, U8


def luma_of(y: U8, cb: U8, cr: U8) -> F32:
    """Return the luma that a viewer sees after RGB has clipped."""
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in (y, cb, cr)]
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB").convert("L"), np.float32)


@pytest.fixture
def wild() -> F32:
    """Chroma that clips at most lumas, shape (56, 56, 2)."""
    return np.random.default_rng(3).normal(0, 90, (56, 56, 2)).astype(np.float32)


def test_extreme_chroma_changes_luma_by_at_most_1(wild: F32) -> None:
    y = np.random.default_rng(4).integers(0, 256, (300, 400), dtype=np.uint8)
    cb, cr = upsampling.upsample_chroma(wild, y, y)
    assert np.abs(luma_of(y, cb, cr) - y).max() <= 1
    free = np.full_like(y, 128)
    cb, cr = upsampling.upsample_chroma(wild, free, free)
    assert np.abs(luma_of(y, cb, cr) - y).max() > 20, "what fits mid-gray does not fit every luma"


def test_chroma_that_does_not_clip_is_unchanged() -> None:
    y = np.full((120, 160), 128, np.uint8)
    gentle = np.random.default_rng(5).uniform(-50, 50, (56, 56, 2)).astype(np.float32)
    cb, cr = upsampling.upsample_chroma(gentle, y, y)
    for plane, source in ((cb, gentle[..., 0]), (cr, gentle[..., 1])):
        pillow = Image.fromarray(np.ascontiguousarray(source)).resize((160, 120), Image.Resampling.BILINEAR)
        assert np.abs(plane - (np.asarray(pillow) + 128)).max() <= 0.51


def test_limit_shrinks_towards_gray_and_keeps_the_hue() -> None:
    y = np.full((56, 56), 250, np.uint8)
    strong = np.full((56, 56, 2), (-40.0, 30.0), np.float32)
    cb, cr = (plane.astype(float) - 128 for plane in upsampling.upsample_chroma(strong, y, y))
    assert (cr < 30).all() and (cr > 0).all()
    assert np.abs(cb + cr * 40 / 30).max() <= 1.2  # each is rounded once


def test_gray_extremes_get_no_chroma(wild: F32) -> None:
    for tone in (0, 255):
        y = np.full((64, 64), tone, np.uint8)
        cb, cr = upsampling.upsample_chroma(wild, y, y)
        assert (np.abs(cb.astype(int) - 128) <= 1).all() and (np.abs(cr.astype(int) - 128) <= 1).all()


def test_strips_leave_no_seam(wild: F32, monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.random.default_rng(6).integers(0, 256, (97, 131), dtype=np.uint8)
    whole = upsampling.upsample_chroma(wild, y, y)
    monkeypatch.setattr(upsampling, "_STRIP_PIXELS", 131)
    np.testing.assert_array_equal(whole, upsampling.upsample_chroma(wild, y, y))


def step(h: int, w: int) -> U8:
    """Return luma that is dark on the left and bright on the right; the edge lies inside a chroma pixel."""
    luma = np.full((h, w), 60, np.uint8)
    luma[:, round(w * 0.51) :] = 180
    return luma


def test_guided_chroma_follows_an_edge_of_luma() -> None:
    luma = step(224, 448)
    true = np.where(luma[..., None] == 60, (20.0, -30.0), (-25.0, 15.0)).astype(np.float32)
    small = true.reshape(56, 4, 56, 8, 2).mean(axis=(1, 3))
    seen = luma.astype(np.float32).reshape(56, 4, 56, 8).mean(axis=(1, 3))
    near = slice(round(448 * 0.51) - 4, round(448 * 0.51) + 4)

    def bled(guide: F32 | None) -> float:
        planes = np.stack(upsampling.upsample_chroma(small, luma, luma, guide), axis=-1).astype(float) - 128
        return float(np.abs(planes - true)[:, near].mean())

    assert bled(seen) < 0.5 * bled(None)


def test_guided_chroma_ignores_texture_without_color() -> None:
    generator = np.random.default_rng(8)
    luma = generator.integers(0, 256, (224, 224), dtype=np.uint8)
    seen = luma.astype(np.float32).reshape(56, 4, 56, 4).mean(axis=(1, 3))
    flat = np.full((56, 56, 2), (30.0, -20.0), np.float32)
    middle = np.full_like(luma, 128)
    np.testing.assert_array_equal(
        upsampling.upsample_chroma(flat, luma, luma, seen), upsampling.upsample_chroma(flat, luma, luma)
    )
    np.testing.assert_array_equal(
        upsampling.upsample_chroma(flat, middle, middle, seen),
        upsampling.upsample_chroma(flat, middle, middle),
    )


def test_lines_pass_through_their_pixels_and_match_a_plain_regression() -> None:
    generator = np.random.default_rng(9)
    luma = generator.uniform(0, 255, (6, 7)).astype(np.float32)
    pixels = generator.normal(0, 30, (2, 6, 7)).astype(np.float32)
    offset, slope = upsampling.fit_local_lines(pixels, luma)
    np.testing.assert_allclose(offset + slope * luma, pixels, atol=1e-3)
    weights = np.outer([1, 4, 1], [1, 4, 1]).ravel() / 36
    x, y = luma[1:4, 2:5].ravel().astype(float), pixels[:, 1:4, 2:5].reshape(2, 9).astype(float)
    covariance = np.cov(np.stack([x, *y]), aweights=weights, bias=True)
    explained = (covariance[0, 1:] ** 2).sum() / (
        covariance[0, 0] * (covariance[1, 1] + covariance[2, 2] + 16)
    )
    np.testing.assert_allclose(
        slope[:, 2, 3], covariance[0, 1:] * explained / (covariance[0, 0] + 24**2), rtol=2e-3
    )


def test_guided_chroma_keeps_the_luma(wild: F32) -> None:
    y = np.random.default_rng(4).integers(0, 256, (300, 400), dtype=np.uint8)
    seen = np.asarray(Image.fromarray(y).resize((56, 56), Image.Resampling.BOX), np.float32)
    cb, cr = upsampling.upsample_chroma(wild, y, y, seen)
    assert np.abs(luma_of(y, cb, cr) - y).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (5, 4), (90, 161)])
def test_halve_luma_and_double_plane(shape: tuple[int, int]) -> None:
    y = np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)
    low, high = upsampling.halve_luma(y)
    assert low.shape == high.shape == (-(-shape[0] // 2), -(-shape[1] // 2))
    wide_low, wide_high = upsampling.double_plane(low, *shape), upsampling.double_plane(high, *shape)
    assert wide_low.shape == shape
    assert (wide_low <= y).all() and (y <= wide_high).all()
    assert (
        low[0, 0] == y[:2, :2].min()
        and high[-1, -1] == y[low.shape[0] * 2 - 2 :, low.shape[1] * 2 - 2 :].max()
    )
