"""Every picture that Pillow opens becomes gray and upright. Other files give a one-line error."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from edgecolor_runtime import PictureError, open_picture
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.images.reader import parse_picture

RAMP = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(32, axis=0)


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def grays(path: Path) -> F32:
    picture = open_picture(path)
    assert picture.gray.mode == "L"
    return np.asarray(picture.gray, np.float32)


def colors() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8))


def test_one_pixel(tmp_path: Path) -> None:
    assert grays(saved(tmp_path, Image.new("L", (1, 1), 77), "a.png")).tolist() == [[77]]


def test_thirty_thousand_wide(tmp_path: Path) -> None:
    wide = Image.fromarray(RAMP[:3]).resize((30_000, 3))
    np.testing.assert_array_equal(grays(saved(tmp_path, wide, "a.png")), np.asarray(wide))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_16_bit_is_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    deep = (np.linspace(0, 65535, 64)[None].repeat(4, axis=0)).astype(np.uint16)
    np.testing.assert_array_equal(
        grays(saved(tmp_path, Image.fromarray(deep), name)), np.rint(deep / 257).astype(np.uint8)
    )


def test_big_endian_16_bit(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64)[None].repeat(4, axis=0).astype(">u2")
    image = Image.frombytes("I;16B", (64, 4), deep.tobytes())
    np.testing.assert_array_equal(grays(saved(tmp_path, image, "a.tif")), np.rint(deep / 257.0))


def test_16_bit_tiff_where_0_is_white(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64)[None].repeat(4, axis=0).astype(np.uint16)
    path = saved(tmp_path, Image.fromarray(deep), "a.tif", tiffinfo={262: 0})
    with Image.open(path) as image:
        assert image.tag_v2[262] == 0  # type: ignore[attr-defined]
    np.testing.assert_array_equal(grays(path), np.rint((65535 - deep) / 257.0))


def test_12_bit_tiff_reaches_white(tmp_path: Path) -> None:
    pixels = bytes.fromhex("000fff") * 16  # 0 and 4095 in turn, 8 x 4
    tags = {256: 8, 257: 4, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: len(pixels)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    (tmp_path / "a.tif").write_bytes(head + pixels + struct.pack("<H", len(tags)) + entries + bytes(4))
    np.testing.assert_array_equal(grays(tmp_path / "a.tif"), [[0, 255] * 4] * 4)


@pytest.mark.parametrize(("low", "high", "noted"), [(0, 1, False), (0, 255, True), (-3.0, 900.0, True)])
def test_floats(tmp_path: Path, low: float, high: float, noted: bool) -> None:
    values = np.linspace(low, high, 64, dtype=np.float32)[None].repeat(4, axis=0)
    path = saved(tmp_path, Image.fromarray(values), "a.tif")
    np.testing.assert_allclose(grays(path)[0], np.linspace(0, 255, 64), atol=0.51)
    assert bool(open_picture(path).notes) == noted


def test_floats_that_are_not_finite(tmp_path: Path) -> None:
    values = np.full((4, 4), np.nan, np.float32)
    with pytest.raises(PictureError, match="no pixel"):
        open_picture(saved(tmp_path, Image.fromarray(values), "a.tif"))
    values[0], values[1] = np.inf, 0.5
    result = grays(saved(tmp_path, Image.fromarray(values), "b.tif"))
    assert np.isfinite(result).all()


def test_32_bit_integers(tmp_path: Path) -> None:
    values = np.linspace(-5, 1_000_000, 64)[None].repeat(4, axis=0).astype(np.int32)
    path = saved(tmp_path, Image.fromarray(values), "a.tif")
    np.testing.assert_allclose(grays(path)[0], np.linspace(0, 255, 64), atol=0.51)
    assert "-5 to 1000000" in open_picture(path).notes[0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.webp", "a.tif"])
def test_colored_pictures_give_their_luma(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, colors(), name)
    with Image.open(path) as image:
        luma = np.asarray(image.convert("RGB"), np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    assert np.abs(grays(path) - luma).max() <= 1


def test_cmyk(tmp_path: Path) -> None:
    path = saved(tmp_path, colors().convert("CMYK"), "a.jpg", quality=95)
    with Image.open(path) as image:
        assert image.mode == "CMYK"
        expected = np.asarray(image.convert("RGB").convert("L"))
    np.testing.assert_array_equal(grays(path), expected)


def test_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP > 99), "a.png")
    np.testing.assert_array_equal(grays(path), np.where(RAMP > 99, 255, 0))


def test_palette(tmp_path: Path) -> None:
    path = saved(tmp_path, colors().convert("P", palette=Image.Palette.ADAPTIVE), "a.png")
    with Image.open(path) as image:
        assert image.mode == "P"
        expected = np.asarray(image.convert("RGB").convert("L"))
    np.testing.assert_array_equal(grays(path), expected)
    assert open_picture(path).alpha is None


def test_transparent_palette(tmp_path: Path) -> None:
    image = Image.fromarray((RAMP // 128).astype(np.uint8)).convert("P")
    image.putpalette([200, 10, 10, 10, 10, 200])
    picture = open_picture(saved(tmp_path, image, "a.png", transparency=0))
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.asarray(picture.alpha), np.where(RAMP >= 128, 255, 0))
    assert sorted(set(np.asarray(picture.gray).ravel().tolist())) == [32, 67]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RAMP.T.copy()).convert(mode)
    image.putalpha(Image.fromarray(RAMP.T[::-1].copy()))
    picture = open_picture(saved(tmp_path, image, "a.png"))
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.asarray(picture.alpha), RAMP.T[::-1])
    np.testing.assert_array_equal(np.asarray(picture.gray), RAMP.T)


def test_one_transparent_gray(tmp_path: Path) -> None:
    picture = open_picture(saved(tmp_path, Image.fromarray(RAMP), "a.png", transparency=int(RAMP[0, 9])))
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.asarray(picture.alpha), np.where(RAMP[0, 9] == RAMP, 0, 255))


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_the_first_frame_of_an_animation_with_a_note(tmp_path: Path, name: str) -> None:
    frames = [Image.new("L", (20, 10), tone) for tone in (40, 120, 200)]
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], **options)
    picture = open_picture(path)
    assert np.abs(np.asarray(picture.gray, float) - 40).max() <= 1
    kind = "pages" if name == "a.tif" else "frames"
    assert picture.notes == (f"holds 3 {kind}; only the first is colored",)
    for number, tone in enumerate((40, 120, 200), 1):
        picture = open_picture(path, page=number)
        assert np.abs(np.asarray(picture.gray, float) - tone).max() <= 1 and not picture.notes
    with pytest.raises(PictureError, match="no page 4; the file has 3"):
        open_picture(path, page=4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_becomes_upright_pixels(tmp_path: Path, orientation: int) -> None:
    image = Image.fromarray(RAMP)
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    exif.get_ifd(0x8769).update({0xA002: 64, 0xA003: 32})
    picture = open_picture(saved(tmp_path, image, "a.png", exif=exif))
    upright = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.T,
        6: np.rot90(RAMP, -1),
        7: RAMP[::-1, ::-1].T,
        8: np.rot90(RAMP),
    }[orientation]
    np.testing.assert_array_equal(np.asarray(picture.gray), upright)
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert 0x0112 not in kept or kept[0x0112] == 1
    assert kept[0x010F] == "Maker"
    inner = kept.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == picture.gray.size


def test_metadata_is_collected(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    path = saved(tmp_path, colors(), "a.jpg", icc_profile=srgb, dpi=(300, 300), xmp=packet)
    picture = open_picture(path)
    assert (picture.icc, picture.metadata.dpi, picture.metadata.xmp) == (srgb, (300, 300), packet)
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", packet.decode())
    assert open_picture(saved(tmp_path, colors(), "a.png", pnginfo=chunks)).metadata.xmp == packet


def test_texts_of_a_png(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    path = saved(tmp_path, Image.new("L", (8, 8)), "t.png", pnginfo=text)
    assert open_picture(path).metadata.texts == (("Author", "somebody"),)


def test_a_gray_profile_is_dropped(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray = srgb[:16] + b"GRAY" + srgb[20:]
    assert open_picture(saved(tmp_path, Image.fromarray(RAMP), "a.jpg", icc_profile=gray)).icc is None


def test_tiff_layout_tags_are_not_copied(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP), "a.tif", compression="tiff_lzw", description="a ramp")
    kept = Image.Exif()
    kept.load(open_picture(path).metadata.exif)
    assert dict(kept)[270] == "a ramp"
    assert not set(kept) & {256, 257, 258, 259, 262, 273, 277, 278, 279}


def refused(path: Path) -> str:
    with pytest.raises(PictureError) as caught:
        open_picture(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    if path.is_file():
        with pytest.raises(PictureError) as caught:
            parse_picture(path.read_bytes(), str(path))
        assert str(caught.value) == text
    return text


def test_bytes_are_read_like_a_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned to the right
    path = saved(tmp_path, colors(), "a.jpg", exif=exif, dpi=(300, 300))
    from_bytes, from_file = parse_picture(path.read_bytes(), "any name"), open_picture(path)
    assert from_bytes == from_file and from_bytes.gray.size == (32, 64)


def test_missing_and_folder(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.jpg")
    refused(tmp_path)


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert "empty file" in refused(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "content", [b"hello\n" * 100, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0" * 5000, b"GIF89a"]
)
def test_not_a_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    refused(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.bmp", "a.jp2"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_truncated(tmp_path: Path, name: str, share: float) -> None:
    path = saved(tmp_path, colors().resize((300, 200)), name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


def png(width: int, height: int) -> bytes:
    """Return a PNG with a size in its header and no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_a_picture_that_needs_more_memory_than_is_free(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(600_000, 600_000))
    text = refused(tmp_path / "a.png")
    assert "360,000 megapixels need 1080.0 GB of memory; " in text and "scale the picture down" in text


def test_more_pixels_than_are_allowed(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("L", (1000, 100)), "a.png")
    assert open_picture(path, max_pixels=100_000).gray.size == (1000, 100)
    for name in ("a.png", "a.tif"):
        saved(tmp_path, Image.new("L", (1000, 100)), name)
        with pytest.raises(PictureError, match=r"1000 x 100 are 100,000 pixels; at most 90,000 are allowed"):
            open_picture(tmp_path / name, max_pixels=90_000)


def test_pillows_own_limit_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name, options in (("a.png", {}), ("a.tif", {}), ("b.tif", {"compression": "group4"}), ("a.webp", {})):
        path = tmp_path / name
        Image.new("1", (40, 50), 1).convert("1" if options else "L").save(path, **options)
        assert open_picture(path).gray.size == (40, 50)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_bomb_of_text(tmp_path: Path) -> None:
    text = zlib.compress(b" " * (80 << 20))
    chunk = b"zTXt" + b"k\0\0" + text
    data = png(1, 1)
    extra = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data[:33] + extra + data[33:])
    refused(tmp_path / "a.png")
