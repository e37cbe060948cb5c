"""Colored frames as files: which metadata they keep, and that a failure leaves no file behind."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from edgecolor_runtime import (
    ColorFrame,
    Colorizer,
    EdgecolorError,
    PictureError,
    UsageError,
    open_picture,
    save,
)
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.file_formats.jpeg_segments import insert_segments, xmp_segment
from edgecolor_runtime.images.formats import WRITTEN_FORMATS

PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


@pytest.fixture(scope="module")
def frame(colorizer: Colorizer, cloud: Image.Image) -> ColorFrame:
    return colorizer.colorize(cloud)


def luma(path: Path) -> F32:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").convert("L"), np.float32)


@pytest.mark.parametrize("suffix", sorted(WRITTEN_FORMATS))
def test_every_format_keeps_luma_and_color(frame: ColorFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix.upper()}"
    assert save(frame, path) == ()
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == (WRITTEN_FORMATS[suffix], "RGB", frame.y.size)
        rgb = np.asarray(image, float)
    assert np.abs(luma(path) - np.asarray(frame.y, np.float32)).mean() <= (1 if suffix[1] in "pt" else 2)
    assert np.abs(rgb.mean((0, 1)) - np.asarray(frame.to_rgb(), float).mean((0, 1))).max() < 5
    assert np.abs(rgb[..., 0] - rgb[..., 2]).mean() > 3, "there is color"


def test_jpeg_halves_chroma_and_takes_a_quality(frame: ColorFrame, tmp_path: Path) -> None:
    sizes = {}
    for quality in (30, 95):
        save(frame, tmp_path / f"{quality}.jpg", quality=quality)
        with Image.open(tmp_path / f"{quality}.jpg") as image:
            assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]
        sizes[quality] = (tmp_path / f"{quality}.jpg").stat().st_size
    assert sizes[30] < sizes[95] / 2
    for wrong in (0, 101):
        with pytest.raises(UsageError, match="quality"):
            save(frame, tmp_path / "a.jpg", quality=wrong)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_metadata_is_kept(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, suffix: str) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = cloud.getexif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8769)[0x9003] = "1908:05:04 12:00:00"
    source, target = tmp_path / "in.jpg", tmp_path / f"out{suffix}"
    cloud.convert("RGB").save(source, exif=exif, icc_profile=srgb, dpi=(300, 300))
    source.write_bytes(insert_segments(source.read_bytes(), [xmp_segment(PACKET) or b""]))
    picture = open_picture(source)
    save(colorizer.colorize(picture.gray), target, of=picture, label=False)
    with Image.open(target) as image:
        assert image.size == (240, 320), "upright"
        kept = image.getexif()
        assert kept[0x010F] == "Maker" and kept.get(0x0112, 1) == 1
        assert kept.get_ifd(0x8769)[0x9003] == "1908:05:04 12:00:00"
        assert image.info["icc_profile"] == srgb
    again = open_picture(target)
    assert again.metadata.xmp == PACKET
    if suffix != ".webp":  # WebP cannot hold a resolution
        assert again.metadata.dpi == pytest.approx((300, 300), abs=0.1)


def test_the_thumbnail_of_the_gray_picture_is_dropped(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path
) -> None:
    entry = struct.pack("<HHHII", 1, 0x010E, 2, 1, 0)  # an IFD with one tag
    ifds = b"II*\0" + struct.pack("<I", 8) + entry + struct.pack("<I", 26) + entry + struct.pack("<I", 0)
    cloud.save(tmp_path / "in.jpg", exif=b"Exif\0\0" + ifds + b"the thumbnail")
    picture = open_picture(tmp_path / "in.jpg")
    save(colorizer.colorize(picture.gray), tmp_path / "out.jpg", of=picture)
    assert b"the thumbnail" in (tmp_path / "in.jpg").read_bytes()
    assert b"the thumbnail" not in (tmp_path / "out.jpg").read_bytes()


def test_what_is_readable_of_a_damaged_exif_block_is_kept(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path
) -> None:
    exif = cloud.getexif()
    exif[0x010F], exif[0x0110] = "Maker", "Model of a camera"
    exif.get_ifd(0x8769).update({0x9003: "1908:05:04 12:00:00", 0x829A: 0.01})
    packed = exif.tobytes()
    rng = np.random.default_rng(0)
    notes: set[str] = set()
    for _ in range(60):
        damaged = bytearray(packed)
        damaged[int(rng.integers(6, len(packed)))] = int(rng.integers(0, 256))
        cloud.save(tmp_path / "in.png", exif=bytes(damaged))
        picture = open_picture(tmp_path / "in.png")
        save(colorizer.colorize(picture.gray), tmp_path / "out.png", of=picture, force=True)
        notes.update(picture.notes)
        with Image.open(tmp_path / "out.png") as image:
            image.load()
    assert "its EXIF block is damaged and was left out" in notes
    assert "damaged entries of its EXIF block were left out: 1" in notes
    cloud.save(tmp_path / "in.jpg", exif=packed[:-40])
    save(colorizer.colorize(cloud), tmp_path / "out.jpg", of=open_picture(tmp_path / "in.jpg"))
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getexif()[0x010F] == "Maker"


def test_alpha(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path) -> None:
    image = cloud.convert("LA")
    alpha = cloud.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.putalpha(alpha)
    image.save(tmp_path / "in.png")
    picture = open_picture(tmp_path / "in.png")
    frame = colorizer.colorize(picture.gray)
    for suffix in (".png", ".tif", ".webp"):
        save(frame, tmp_path / f"out{suffix}", of=picture)
        with Image.open(tmp_path / f"out{suffix}") as out:
            assert out.mode == "RGBA"
            np.testing.assert_array_equal(np.asarray(out.getchannel("A")), np.asarray(alpha))
    notes = save(frame, tmp_path / "out.jpg", of=picture)
    assert notes == ("its transparency was left out: JPEG cannot hold it",)


def test_what_jpeg_cannot_hold_is_noted(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path) -> None:
    exif = cloud.getexif()
    exif[0x010E] = "long " * 20_000
    cloud.save(tmp_path / "in.png", exif=exif)
    picture = open_picture(tmp_path / "in.png")
    notes = save(colorizer.colorize(picture.gray), tmp_path / "out.jpg", of=picture)
    assert notes == ("its EXIF block is too large for JPEG and was left out",)
    assert save(colorizer.colorize(picture.gray), tmp_path / "out.png", of=picture) == ()


def test_a_size_that_a_format_cannot_hold(colorizer: Colorizer, tmp_path: Path) -> None:
    frame = colorizer.colorize(Image.new("L", (30_000, 2), 90))
    with pytest.raises(PictureError, match="too large for WEBP"):
        save(frame, tmp_path / "out.webp")
    save(frame, tmp_path / "out.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["out.jpg"]


def test_an_existing_file_is_replaced_only_with_force(frame: ColorFrame, tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"precious")
    with pytest.raises(UsageError, match="--force"):
        save(frame, path)
    assert path.read_bytes() == b"precious"
    save(frame, path, force=True)
    assert path.read_bytes()[:4] == b"\x89PNG"
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        save(frame, tmp_path / "folder.png", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "out.png"]


def test_permissions_follow_the_umask(frame: ColorFrame, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save(frame, tmp_path / "out.png")
    finally:
        os.umask(before)
    assert (tmp_path / "out.png").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["out", "out.gif", "out.bmp", "out.txt"])
def test_formats_that_are_not_written(frame: ColorFrame, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"use \.jpg"):
        save(frame, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_missing_folders_are_made(frame: ColorFrame, tmp_path: Path) -> None:
    save(frame, tmp_path / "new" / "deep" / "out.png")
    (tmp_path / "file").write_text("x")
    with pytest.raises(EdgecolorError, match="cannot be written"):
        save(frame, tmp_path / "file" / "out.png")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Run as the user nobody, because root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_read_only_output(frame: ColorFrame) -> None:
    folder = Path(tempfile.mkdtemp())  # not tmp_path: the user nobody cannot enter its parents
    try:
        (folder / "out.png").write_bytes(b"precious")
        folder.chmod(0o555)
        with unprivileged(), pytest.raises(EdgecolorError, match="cannot be written: Permission denied"):
            save(frame, folder / "out.png", force=True)
        assert [path.name for path in folder.iterdir()] == ["out.png"]
        assert (folder / "out.png").read_bytes() == b"precious"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_full_disk(frame: ColorFrame, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("this root may not mount")
    try:
        (tmp_path / "out.png").write_bytes(b"precious")
        with pytest.raises(EdgecolorError, match="No space left on device"):
            save(frame, tmp_path / "out.png", force=True)
        assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
        assert (tmp_path / "out.png").read_bytes() == b"precious"
    finally:
        subprocess.run(["umount", tmp_path], check=True)
