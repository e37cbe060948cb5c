"""A source that is in color by day and gray by night: its own colors, or ours within three frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.own_frame import MixedFrame
from edgecolor_runtime.colors.source_colors import SourceColors
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.live import color_switch
from edgecolor_runtime.live.color_switch import FADE_FRAMES, ColorSwitch

PHOTOGRAPH = Path(__file__).parents[3] / "calibration" / "001.jpg"
SIZE = (320, 240)


@pytest.fixture
def day() -> tuple[Image.Image, SourceColors]:
    with Image.open(PHOTOGRAPH) as photograph:
        y, cb, cr = photograph.convert("RGB").resize(SIZE).convert("YCbCr").split()
    return y, SourceColors(cb.reduce(2), cr.reduce(2))


@pytest.fixture
def night(day: tuple[Image.Image, SourceColors]) -> tuple[Image.Image, SourceColors]:
    """The same picture as a camera without its infrared filter gives it: gray with a pink cast."""
    return day[0], SourceColors(Image.new("L", (160, 120), 131), Image.new("L", (160, 120), 137))


def test_the_colors_fade_within_three_frames(
    day: tuple[Image.Image, SourceColors], night: tuple[Image.Image, SourceColors]
) -> None:
    switch = ColorSwitch()
    shares = []
    for frame in (day, day, night, night, night, night, day, day, day, day):
        switch.follow(*frame, restarted=False)
        shares.append(round(switch.share, 2))
    assert shares == [1, 1, 0.67, 0.33, 0, 0, 0.33, 0.67, 1, 1]
    assert FADE_FRAMES == 3


def test_a_gray_source_is_ours_from_the_first_frame(night: tuple[Image.Image, SourceColors]) -> None:
    for colors in (night[1], None):
        switch = ColorSwitch()
        assert switch.follow(night[0], colors, restarted=False) is night[0]
        assert (switch.share, switch.own) == (0, None)


def test_near_the_border_nothing_flickers(
    day: tuple[Image.Image, SourceColors], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    measures = iter([0.4, *(0.28 + rng.uniform(-0.1, 0.06, 200))])
    monkeypatch.setattr(color_switch, "measure_colors", lambda *planes: next(measures))
    switch = ColorSwitch()
    shares = [switch.follow(*day, restarted=False) and switch.share for _ in range(201)]
    assert set(shares) == {1}


def test_a_dark_frame_changes_nothing(
    day: tuple[Image.Image, SourceColors], night: tuple[Image.Image, SourceColors]
) -> None:
    black = Image.new("L", SIZE, 3), night[1]
    switch = ColorSwitch()
    for frame in (day, black, black, black, day):
        switch.follow(*frame, restarted=False)
        assert switch.share == 1


def test_another_scene_does_not_fade(
    day: tuple[Image.Image, SourceColors], night: tuple[Image.Image, SourceColors]
) -> None:
    switch = ColorSwitch()
    switch.follow(*day, restarted=False)
    switch.follow(*night, restarted=True)
    assert switch.share == 0


@pytest.mark.parametrize("bt709", [False, True])
@pytest.mark.parametrize("limited", [False, True])
def test_chroma_of_every_kind_shows_the_same_colors(bt709: bool, limited: bool) -> None:
    rgb = np.array([[[200, 60, 40], [30, 120, 90]], [[90, 90, 160], [128, 128, 128]]], float)
    rgb = rgb.repeat(8, axis=0).repeat(8, axis=1)
    red, blue = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    luma = red * rgb[..., 0] + (1 - red - blue) * rgb[..., 1] + blue * rgb[..., 2]
    span = 224 / 255 if limited else 1.0
    cb, cr = (
        Image.fromarray(np.rint(128 + span * chroma / (2 * (1 - weight))).astype(np.uint8))
        for chroma, weight in (((rgb[..., 2] - luma)[::2, ::2], blue), ((rgb[..., 0] - luma)[::2, ::2], red))
    )
    colors = SourceColors(cb, cr, limited=limited, bt709=bt709)
    y, *own = colors.to_bt601(Image.fromarray(luma.astype(np.uint8)))
    frame = MixedFrame(y, np.zeros((1, 1, 2), np.float32), own=(own[0], own[1]))
    assert np.abs(np.asarray(frame.to_rgb(), float) - rgb).max() <= 4


def test_a_mixed_frame_lies_between() -> None:
    y = Image.new("L", (31, 21), 120)
    own: tuple[U8, U8] = (np.full((11, 16), 150, np.uint8), np.full((11, 16), 110, np.uint8))
    for share, expected in ((1.0, 150), (0.5, 139), (0.0, 128)):
        frame = MixedFrame(y, np.zeros((56, 56, 2), np.float32), own=own, share=share)
        cb, cr = frame.half_planes()
        assert cb.shape == cr.shape == (11, 16)
        assert (cb == expected).all()
        assert frame.to_rgb().size == frame.to_ycbcr().size == (31, 21)
