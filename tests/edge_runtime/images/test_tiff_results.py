"""A TIFF of any compression and with any tags becomes a valid, lossless TIFF with the same tags."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin, features

from edgecolor_runtime import Colorizer, open_picture, save
from edgecolor_runtime.colors.spaces import U8

from .picture_structure import verify_tiff

TAGS = {
    270: "Großmutter, 1931; Бабушка; 祖母",
    271: "Epson",
    272: "Perfection V850",
    305: "VueScan",
    306: "2019:02:03 04:05:06",
    315: "J. Smith",
    33432: "© 2019",
}
MODES = {
    "raw": ("1", "L", "I;16", "RGB", "CMYK", "LA", "RGBA", "P"),
    "packbits": ("1", "L", "RGB"),
    "tiff_lzw": ("1", "L", "I;16", "RGB", "P", "RGBA"),
    "tiff_deflate": ("L", "RGB"),
    "tiff_adobe_deflate": ("L", "I;16", "RGB"),
    "jpeg": ("L", "RGB"),
    "lzma": ("L",),
    "zstd": ("L",),
    "group3": ("1",),
    "group4": ("1",),
}
KINDS = [(compression, mode) for compression, modes in MODES.items() for mode in modes]


def written_tags(path: Path) -> dict[int, Any]:
    with tifffile.TiffFile(path) as file:
        return {tag.code: tag.value for tag in file.pages.first.tags}


def convert(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    if mode == "P":
        return image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE)
    return image.convert(mode)


def luma(path: Path) -> U8:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").convert("L"))


@pytest.mark.skipif(not features.check("libtiff"), reason="Pillow without libtiff")
@pytest.mark.parametrize(("compression", "mode"), KINDS)
def test_every_compression(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, compression: str, mode: str
) -> None:
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in TAGS.items():
        directory[tag] = value.encode() if isinstance(value, str) and not value.isascii() else value
    convert(cloud, mode).save(source, compression=compression, dpi=(600, 600), tiffinfo=directory)
    picture = open_picture(source)
    assert save(colorizer.colorize(picture.gray), target, of=picture) == ()
    verify_tiff(target)
    tags = written_tags(target)
    assert (tags[259], tags[262], tags[282], tags[283], tags[296]) == (8, 2, (600, 1), (600, 1), 2)
    assert {tag: tags[tag] for tag in TAGS} == TAGS
    assert np.abs(luma(target).astype(int) - np.asarray(picture.gray)).max() <= 1
    deep = mode == "I;16"
    assert tags[258] == ((16 if deep else 8),) * tags[277] and tags[277] == (4 if mode[-1] == "A" else 3)


def test_no_resolution_stays_none(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path) -> None:
    cloud.save(tmp_path / "in.tif", compression="tiff_lzw")
    assert not written_tags(tmp_path / "in.tif").keys() & {282, 283, 296}
    picture = open_picture(tmp_path / "in.tif")
    assert picture.metadata.dpi is None
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    verify_tiff(tmp_path / "out.tif")
    assert not written_tags(tmp_path / "out.tif").keys() & {282, 283, 296}


@pytest.mark.parametrize(("unit", "dpi"), [(1, None), (2, 300), (3, 762)])
def test_units_of_the_resolution(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, unit: int, dpi: int | None
) -> None:
    cloud.save(tmp_path / "in.tif", tiffinfo={282: 300.0, 283: 300.0, 296: unit})
    picture = open_picture(tmp_path / "in.tif")
    assert picture.metadata.dpi == (None if dpi is None else pytest.approx((dpi, dpi)))
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    tags = written_tags(tmp_path / "out.tif")
    assert (tags[282], tags[283], tags[296]) == ((300, 1), (300, 1), unit)


@pytest.mark.parametrize(("byteorder", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("bits", [8, 16])
def test_byte_orders_and_bigtiff(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, byteorder: Any, big: bool, bits: int
) -> None:
    values = np.asarray(cloud).astype(np.uint16) * 257 if bits == 16 else np.asarray(cloud)
    tifffile.imwrite(
        tmp_path / "in.tif",
        values,
        byteorder=byteorder,
        bigtiff=big,
        description="Aunt Mary",
        metadata=None,
        resolution=(600, 600),
        resolutionunit=2,
        extratags=[(315, 2, 0, "J. Smith", True)],
    )
    picture = open_picture(tmp_path / "in.tif")
    assert picture.notes == ()
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    verify_tiff(tmp_path / "out.tif")
    tags = written_tags(tmp_path / "out.tif")
    assert (tags[270], tags[315], tags[282]) == ("Aunt Mary", "J. Smith", (600, 1))
    np.testing.assert_array_equal(np.asarray(picture.gray), np.asarray(cloud))
    assert np.abs(luma(tmp_path / "out.tif").astype(int) - np.asarray(cloud)).max() <= 1


def test_lab_scans(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    scan = ImageCms.profileToProfile(cloud.convert("RGB"), srgb, lab, outputMode="LAB")
    assert scan is not None
    scan.save(tmp_path / "in.tif", compression="tiff_lzw")
    picture = open_picture(tmp_path / "in.tif")
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    verify_tiff(tmp_path / "out.tif")
    assert np.abs(luma(tmp_path / "out.tif").astype(int) - np.asarray(cloud)).mean() < 1.5


def test_an_empty_exif_directory_is_not_written(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path
) -> None:
    pointer = struct.pack("<2sHLHHHLLL", b"II", 42, 8, 1, 0x8769, 4, 1, 26, 0)  # to an empty directory
    cloud.save(tmp_path / "in.png", exif=b"Exif\0\0" + pointer + bytes(6))
    picture = open_picture(tmp_path / "in.png")
    assert picture.notes == ()
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    verify_tiff(tmp_path / "out.tif")
    assert 0x8769 not in written_tags(tmp_path / "out.tif")


def test_the_place_of_a_map_is_kept(colorizer: Colorizer, tmp_path: Path) -> None:
    keys = {33550: (0.5, 0.5, 0.0), 34735: (1, 1, 0, 0), 42113: "255"}  # GeoTIFF, which libtiff does not know
    Image.new("1", (64, 48), 1).save(tmp_path / "in.tif", compression="group4", tiffinfo=keys)
    picture = open_picture(tmp_path / "in.tif")
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    tags = written_tags(tmp_path / "out.tif")
    assert {tag: tags[tag] for tag in keys} == keys
