"""Files that are cut off or damaged: what is there is read, and a note says which part is missing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats import incomplete, strict_jpeg
from edgecolor_runtime.images.reader import parse_picture

HEIGHT, WIDTH = 160, 240
TONES = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 256
NOISE = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH))
GRAY = Image.fromarray(np.clip(TONES * 3 // 4 + NOISE, 0, 255).astype(np.uint8))
RGB = Image.merge("RGB", [GRAY, GRAY.transpose(Image.Transpose.ROTATE_180), GRAY])


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


BASELINE = {
    "gray": saved(GRAY, "JPEG", quality=90),
    "rgb": saved(RGB, "JPEG", quality=90),
    "4:2:0": saved(RGB, "JPEG", quality=90, subsampling="4:2:0"),
    "cmyk": saved(RGB.convert("CMYK"), "JPEG", quality=90),
    "png": saved(RGB, "PNG"),
    "png gray": saved(GRAY, "PNG"),
    "png palette": saved(RGB.convert("P"), "PNG"),
    "png 16": saved(Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257), "PNG"),
    "png alpha": saved(RGB.convert("RGBA"), "PNG"),
    "png 1": saved(GRAY.convert("1"), "PNG"),
}


@pytest.mark.parametrize("kind", BASELINE)
@pytest.mark.parametrize("share", [0.4, 0.75, 0.97])
def test_what_is_there_is_read(kind: str, share: float) -> None:
    data = BASELINE[kind]
    whole = np.asarray(parse_picture(data, "a").gray, np.int16)
    cut = data[: int(len(data) * share)]
    picture = parse_picture(cut, "a")
    assert len(picture.notes) == 1
    words = picture.notes[0].split()
    assert words[:2] == ["the", "lower"] and words[-1] == "missing"
    present = round(HEIGHT * (1 - float(words[2]) / 100))
    assert abs(present / HEIGHT - share) < 0.15
    result = np.asarray(picture.gray, np.int16)
    np.testing.assert_array_equal(result[: present - 17], whole[: present - 17])
    assert np.abs(result[present + 1 :] - incomplete.MISSING_LEVEL).max(initial=0) <= 1
    with pytest.raises(PictureError, match=r"^a: damaged picture: the lower .* missing$"):
        parse_picture(cut, "a", strict=True)


def test_only_the_end_mark_is_missing() -> None:
    for data in (BASELINE["gray"][:-2], BASELINE["rgb"][:-2], BASELINE["png"][:-12]):
        picture = parse_picture(data, "a")
        assert picture.notes in (("its last bytes are missing; the picture is complete",), ())
        assert np.asarray(picture.gray).shape == (HEIGHT, WIDTH)


def test_a_progressive_jpeg_loses_detail() -> None:
    data = saved(RGB, "JPEG", progressive=True, quality=90)
    picture = parse_picture(data[: len(data) * 3 // 4], "a")
    assert picture.notes == ("its last bytes are missing; the picture has less detail",)
    whole = np.asarray(parse_picture(data, "a").gray, float)
    assert np.abs(np.asarray(picture.gray, float) - whole).mean() < 20


@pytest.mark.parametrize(("orientation", "side"), [(1, "lower"), (3, "upper"), (6, "left"), (8, "right")])
def test_the_side_is_the_one_that_a_viewer_shows(orientation: int, side: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(GRAY, "JPEG", quality=90, exif=exif)
    picture = parse_picture(data[: len(data) * 3 // 4], "a")
    assert picture.notes[0].startswith(f"the {side} ")
    result = np.asarray(picture.gray)
    edge = {"lower": result[-8:], "upper": result[:8], "left": result[:, :8], "right": result[:, -8:]}[side]
    assert (edge == incomplete.MISSING_LEVEL).all()


@pytest.mark.parametrize("kind", ["gray", "rgb", "png"])
def test_no_pixels(kind: str) -> None:
    for size in (20, 200, 640):
        with pytest.raises(PictureError, match=r"^a: ") as caught:
            parse_picture(BASELINE[kind][:size], "a")
        assert "\n" not in str(caught.value)


def test_bit_rot_in_a_jpeg() -> None:
    pytest.importorskip("simplejpeg", reason="reports the damage")
    rng = np.random.default_rng(1)
    whole = np.asarray(parse_picture(BASELINE["gray"], "a").gray, np.int16)
    noted = []
    for _ in range(60):
        data = bytearray(BASELINE["gray"])
        data[rng.integers(len(data) // 3, len(data) * 2 // 3)] ^= 1 << rng.integers(0, 8)
        picture = parse_picture(bytes(data), "a")
        difference = np.abs(np.asarray(picture.gray, np.int16) - whole)
        if (difference > 20).mean() > 0.01:  # more than a block: all that follows has moved
            noted.append(picture.notes == (incomplete.BIT_ROT,))
        if picture.notes:
            with pytest.raises(PictureError, match="a: damaged picture: its data are damaged"):
                parse_picture(bytes(data), "a", strict=True)
    assert len(noted) > 15 and np.mean(noted) > 0.85


def test_a_large_jpeg_is_examined_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simplejpeg", reason="reports the damage")
    data = bytearray(BASELINE["rgb"])
    middle = len(data) // 2
    data[middle : middle + 60] = bytes(60)
    whole = np.asarray(parse_picture(BASELINE["rgb"], "a").gray)
    monkeypatch.setattr(strict_jpeg, "_LARGE_PIXELS", 1000)
    assert parse_picture(bytes(data), "a").notes == (incomplete.BIT_ROT,)
    again = parse_picture(BASELINE["rgb"], "a")
    assert again.notes == ()
    np.testing.assert_array_equal(np.asarray(again.gray), whole)


def test_bit_rot_in_a_png() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        data = bytearray(BASELINE["png"])
        data[rng.integers(len(data) // 3, len(data) * 2 // 3)] ^= 1 << rng.integers(0, 8)
        assert parse_picture(bytes(data), "a").notes
        with pytest.raises(PictureError, match="a: damaged picture: "):
            parse_picture(bytes(data), "a", strict=True)


def test_whole_files_have_no_notes() -> None:
    extra = [saved(RGB, "JPEG", progressive=True), saved(RGB, "JPEG", restart_marker_rows=1)]
    for data in (*BASELINE.values(), *extra, BASELINE["rgb"] + bytes(500)):
        assert parse_picture(data, "a", strict=True).notes == ()


def test_metadata_of_a_file_that_is_cut_off(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for form in ("JPEG", "PNG"):
        data = saved(RGB, form, exif=exif, dpi=(300, 300))
        metadata = parse_picture(data[: len(data) * 3 // 4], "a").metadata
        assert b"Maker" in metadata.exif
        assert metadata.dpi is not None and abs(metadata.dpi[0] - 300) < 0.1
