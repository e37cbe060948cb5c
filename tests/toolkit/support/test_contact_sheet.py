"""Contact sheets: where each picture lands, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor.support.contact_sheet import CAPTION_HEIGHT, GUTTER, MARGIN, PAPER, contact_sheet
from edgecolor_runtime.errors import UsageError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def flat(color: tuple[int, int, int], size: tuple[int, int] = (50, 30)) -> Image.Image:
    return Image.new("RGB", size, color)


def test_pictures_land_in_reading_order() -> None:
    sheet = contact_sheet([[flat(RED), flat(GREEN)], [flat(BLUE), flat(RED)]], cell=32)
    assert sheet.size == (2 * 36 + MARGIN, 2 * 36 + MARGIN)
    center = MARGIN + 16
    centers = [[sheet.getpixel((center + 36 * j, center + 36 * i)) for j in range(2)] for i in range(2)]
    assert centers == [[RED, GREEN], [BLUE, RED]]
    assert sheet.getpixel((0, 0)) == sheet.getpixel((MARGIN + 33, MARGIN + 33)) == PAPER


def test_groups_stand_side_by_side_and_fill_downwards() -> None:
    sheet = contact_sheet([[flat(RED)], [flat(GREEN)], [flat(BLUE)]], cell=32, columns=2)
    assert sheet.size == (2 * (36 + GUTTER) - GUTTER + MARGIN, 2 * 36 + MARGIN)
    x = MARGIN + 36 + GUTTER + 16
    assert sheet.getpixel((x, MARGIN + 16)) == BLUE
    assert sheet.getpixel((x, MARGIN + 36 + 16)) == PAPER
    assert sheet.getpixel((MARGIN + 16, MARGIN + 36 + 16)) == GREEN


def test_captions_are_drawn_above_and_move_the_rows_down() -> None:
    row = [[flat(RED), flat(GREEN)]]
    plain, headed = contact_sheet(row, cell=64), contact_sheet(row, cell=64, captions=["gray", "ours"])
    assert headed.height == plain.height + CAPTION_HEIGHT
    heading = np.asarray(headed)[: CAPTION_HEIGHT + MARGIN]
    for left in (MARGIN, MARGIN + 68):
        assert (heading[:, left : left + 64] < 128).any(), "a heading has no ink"


def test_a_picture_is_cut_to_its_center_square_and_any_mode_is_taken() -> None:
    wide = Image.new("RGB", (90, 30), RED)
    wide.paste(GREEN, (30, 0, 60, 30))
    sheet = contact_sheet([[wide, Image.new("L", (9, 9), 128)]], cell=30)
    assert (np.asarray(sheet)[MARGIN : MARGIN + 30, MARGIN : MARGIN + 30] == GREEN).all()
    assert sheet.getpixel((MARGIN + 34 + 15, MARGIN + 15)) == (128, 128, 128)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="no row"):
        contact_sheet([])
    with pytest.raises(UsageError, match=r"\[1, 2\]"):
        contact_sheet([[flat(RED)], [flat(RED), flat(RED)]])
    with pytest.raises(UsageError, match="1 captions for 2"):
        contact_sheet([[flat(RED), flat(RED)]], captions=["gray"])
    with pytest.raises(UsageError, match="columns 0"):
        contact_sheet([[flat(RED)]], columns=0)
