"""Formats that need another package: they are read with it; without it a message names format and package."""

from __future__ import annotations

import importlib.util
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats.signatures import recognize_format
from edgecolor_runtime.images.formats import READ_FORMATS
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.images.reader import count_pages, open_picture, parse_picture
from edgecolor_runtime.system.commands import pip_install

GRAY = Image.fromarray((np.add.outer(np.arange(60), np.arange(90)) + 40).astype(np.uint8))


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation with Pillow alone."""
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k not in ("HEIF", "JXL")})
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name not in ("HEIF", "JXL")])
    find_spec = importlib.util.find_spec
    packages = ("pillow_heif", "pillow_jxl", "rawpy", "pypdfium2")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in packages else find_spec(name)
    )


CR2 = b"II*\0\x10\0\0\0CR\x02\0" + bytes(100)
NEEDED = {
    "JPEG XL images need the pillow-jxl-plugin package": (b"\xff\x0a" + bytes(50), "pillow-jxl-plugin"),
    "HEIC images need the pillow-heif package": (b"\0\0\0\x18ftypheic" + bytes(50), "pillow-heif"),
    "PDF files need the pypdfium2 package": (b"%PDF-1.4\n" + bytes(50), "pypdfium2"),
    "camera raw files need the rawpy package": (CR2, "rawpy"),
}


@pytest.mark.usefixtures("without_packages")
@pytest.mark.parametrize("reason", NEEDED)
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a"])
def test_the_message_names_format_and_command(tmp_path: Path, reason: str, name: str) -> None:
    data, package = NEEDED[reason]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PictureError) as caught:
        open_picture(tmp_path / name)
    assert str(caught.value).startswith(
        f"{tmp_path / name}: {reason}. Install it with: {pip_install(package)}"
    )


RAW_HEADS = {
    "CR2": CR2,
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(50),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(50),
    "ORF": b"IIRO\x08\0\0\0" + bytes(50),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(50),
    "X3F": b"FOVb\0\0\x02\0" + bytes(50),
    "MRW": b"\0MRM" + bytes(50),
}


@pytest.mark.usefixtures("without_packages")
@pytest.mark.parametrize("camera", RAW_HEADS)
def test_raw_files_are_recognized_by_content(camera: str) -> None:
    with pytest.raises(
        PictureError, match=r"a\.jpg: camera raw files need the rawpy package.*save it as TIFF$"
    ):
        parse_picture(RAW_HEADS[camera], "a.jpg")


OTHERS = {
    "web pages are not read": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "PostScript files are not read": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "OpenEXR images are not read": b"v/1\x01" + bytes(40),
    "Radiance HDR images are not read": b"#?RADIANCE\n",
    "DICOM files are not read": bytes(128) + b"DICM" + bytes(40),
    "FITS files are not read": b"SIMPLE  =                    T",
    "SVG drawings are not read": b'<?xml version="1.0"?><svg xmlns="x">',
    "ZIP archives and office documents are not read": b"PK\x03\x04" + bytes(40),
    "videos under the name of a picture are not read": b"\0\0\0\x18ftypisom" + bytes(40),
    "files that begin with zeros are not read": bytes(5000),
    "GIMP files are not read": b"gimp xcf v011" + bytes(40),
    "DjVu files are not read": b"AT&TFORM" + bytes(40),
    "Git LFS pointers are not read": b"version https://git-lfs.github.com/spec/v1\n",
}


@pytest.mark.parametrize("reason", OTHERS)
def test_other_formats_are_named(reason: str) -> None:
    with pytest.raises(PictureError, match=rf"^a\.jpg: {reason}\. \w"):
        parse_picture(OTHERS[reason], "a.jpg")


def test_no_common_picture_is_taken_for_another_format() -> None:
    Image.init()
    for form in ("JPEG", "PNG", "TIFF", "GIF", "BMP", "PPM", "WEBP", "TGA", "PCX", "SGI", "DDS"):
        file = io.BytesIO()
        GRAY.convert("RGB").save(file, form)
        assert recognize_format(file.getvalue()[:1024]) is None
        assert parse_picture(file.getvalue(), "a").gray.size == GRAY.size
    assert not {"EPS", "PDF", "WMF", "FPX", "MIC"} & set(READ_FORMATS)  # never opened by Pillow


def test_jpeg_of_12_bits() -> None:
    file = io.BytesIO()
    GRAY.save(file, "JPEG")
    data = bytearray(file.getvalue())
    data[data.find(b"\xff\xc0") + 4] = 12
    with pytest.raises(PictureError, match=r"^a\.jpg: JPEG images with more than 8 bits per sample are not"):
        parse_picture(bytes(data), "a.jpg")


def luma_error(picture: Picture, expected: Image.Image = GRAY) -> float:
    return float(np.abs(np.asarray(picture.gray, float) - np.asarray(expected, float)).max())


def test_jpeg_xl(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="no pillow-jxl-plugin here")
    GRAY.save(tmp_path / "a.jxl", lossless=True)
    assert luma_error(open_picture(tmp_path / "a.jxl")) == 0


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="no pillow-heif here")
    heif.register_heif_opener()
    GRAY.convert("RGB").save(tmp_path / "a.heic", quality=-1)
    assert luma_error(open_picture(tmp_path / "a.heic")) <= 2


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(tmp_path: Path) -> None:
    GRAY.save(tmp_path / "a.avif", quality=100, subsampling="4:4:4")
    assert luma_error(open_picture(tmp_path / "a.avif")) <= 2


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
@pytest.mark.parametrize("name", ["a.jp2", "a.j2k"])
def test_jpeg_2000(tmp_path: Path, name: str) -> None:
    GRAY.save(tmp_path / name)
    assert luma_error(open_picture(tmp_path / name)) == 0


def pdf_of(pages: list[Image.Image], **options: Any) -> bytes:
    file = io.BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:], **options)
    return file.getvalue()


class TestPdf:
    @pytest.fixture(autouse=True)
    def needs_pdfium(self) -> None:
        pytest.importorskip("pypdfium2", reason="no pypdfium2 here")

    def test_scan(self) -> None:
        picture = parse_picture(pdf_of([GRAY], resolution=300, quality=100), "a.pdf")
        assert luma_error(picture) <= 2
        assert picture.metadata.dpi == (300, 300) and not picture.notes

    def test_black_and_white(self) -> None:
        lines = GRAY.point(lambda level: 255 * (level % 16 < 8)).convert("1")
        assert luma_error(parse_picture(pdf_of([lines]), "a.pdf"), lines.convert("L")) == 0

    def test_pages(self, tmp_path: Path) -> None:
        pages = [GRAY, GRAY.transpose(Image.Transpose.ROTATE_180)]
        (tmp_path / "a.pdf").write_bytes(pdf_of(pages, quality=100))
        assert count_pages(tmp_path / "a.pdf") == 2
        assert open_picture(tmp_path / "a.pdf").notes == ("holds 2 pages; only the first is colored",)
        for number, page in enumerate(pages, 1):
            assert luma_error(open_picture(tmp_path / "a.pdf", page=number), page) <= 2
        with pytest.raises(PictureError, match="no page 3; the file has 2"):
            open_picture(tmp_path / "a.pdf", page=3)

    def test_a_page_that_is_turned(self) -> None:
        import pypdfium2

        document = pypdfium2.PdfDocument(pdf_of([GRAY], quality=100))
        document[0].set_rotation(90)
        file = io.BytesIO()
        document.save(file)
        turned = GRAY.transpose(Image.Transpose.ROTATE_270)
        assert luma_error(parse_picture(file.getvalue(), "a.pdf"), turned) <= 2

    def test_a_page_without_a_scan(self) -> None:
        import pypdfium2

        document = pypdfium2.PdfDocument.new()
        document.new_page(200, 300)
        file = io.BytesIO()
        document.save(file)
        with pytest.raises(PictureError, match=r"a\.pdf: page 1 of the PDF file is not a scan"):
            parse_picture(file.getvalue(), "a.pdf")

    def test_damage(self) -> None:
        with pytest.raises(PictureError, match=r"a\.pdf: PDF file that cannot be opened"):
            parse_picture(b"%PDF-1.4\n" + bytes(300), "a.pdf")


def dng() -> bytes:
    """Return a raw file: a thumbnail, and below it the mosaic of a sensor with a bright and a dark half."""
    width, height = 256, 192
    mosaic = np.full((height, width), 3000, "<u2")
    mosaic[:, width // 2 :] = 200
    matrix = struct.pack("<18i", *(v for x in (1, 0, 0, 0, 1, 0, 0, 0, 1) for v in (x * 10_000, 10_000)))
    neutral = struct.pack("<6I", 1, 1, 1, 1, 1, 1)
    thumbnail = np.full((12, 16, 3), 99, np.uint8).tobytes()
    raw = [
        (254, 4, [0]), (256, 4, [width]), (257, 4, [height]), (258, 3, [16]), (259, 3, [1]),
        (262, 3, [32803]), (273, 4, "pixels"), (277, 3, [1]), (278, 4, [height]), (279, 4, [2 * mosaic.size]),
        (33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2]), (50714, 3, [64]), (50717, 4, [4095]),
    ]  # fmt: skip
    first = [
        (254, 4, [1]), (256, 4, [16]), (257, 4, [12]), (258, 3, [8, 8, 8]), (259, 3, [1]), (262, 3, [2]),
        (271, 2, b"Maker\0"), (272, 2, b"Model\0"), (273, 4, "thumbnail"), (277, 3, [3]), (278, 4, [12]),
        (279, 4, [len(thumbnail)]), (330, 4, "raw"), (50706, 1, [1, 4, 0, 0]), (50707, 1, [1, 1, 0, 0]),
        (50708, 2, b"Maker Model\0"), (50721, 10, matrix), (50728, 5, neutral), (50778, 3, [21]),
    ]  # fmt: skip
    head = 8
    places = {"thumbnail": head, "pixels": head + len(thumbnail)}
    places["raw"] = places["pixels"] + 2 * mosaic.size
    second = directory(raw, places["raw"], places)
    start = places["raw"] + len(second)
    body = thumbnail + mosaic.tobytes() + second + directory(first, start, places)
    return b"II*\0" + struct.pack("<I", start) + body


def directory(entries: list[tuple[int, int, Any]], start: int, places: dict[str, int]) -> bytes:
    letters, sizes = {1: "B", 3: "H", 4: "I"}, {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}
    table, values = b"", b""
    lists = start + 2 + 12 * len(entries) + 4
    for tag, kind, value in entries:
        if isinstance(value, bytes):
            data = value
        else:
            numbers = [places[value]] if isinstance(value, str) else value
            data = struct.pack(f"<{len(numbers)}{letters[kind]}", *numbers)
        count = len(data) // sizes[kind]
        if len(data) > 4:
            field, values = struct.pack("<I", lists + len(values)), values + data
        else:
            field = data.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + field
    return struct.pack("<H", len(entries)) + table + bytes(4) + values


def test_a_raw_file_is_developed() -> None:
    pytest.importorskip("rawpy", reason="no rawpy here")
    picture = parse_picture(dng(), "a.jpg")
    assert picture.gray.size == (256, 192)  # not the thumbnail
    gray = np.asarray(picture.gray, float)
    assert gray[:, 20:100].mean() > 2 * gray[:, 160:240].mean()
    assert picture.notes == ("is a camera raw file; it was developed with the camera's white balance",)
    assert b"Maker" in picture.metadata.exif


def test_a_raw_file_that_libraw_does_not_know() -> None:
    pytest.importorskip("rawpy", reason="no rawpy here")
    with pytest.raises(PictureError, match=r"a\.cr2: camera raw file that LibRaw cannot develop"):
        parse_picture(CR2, "a.cr2")
