"""What survives of the metadata: text in any script, places, dates, captions; and what no longer holds."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from edgecolor_runtime import Colorizer, open_picture, save
from edgecolor_runtime.file_formats.jpeg_segments import insert_segments, xmp_segment
from edgecolor_runtime.file_formats.photoshop import pack_iptc
from edgecolor_runtime.file_formats.tiff_directory import EXIF, GPS, INTEROP, MAIN, Block, Entry, pack_block
from edgecolor_runtime.file_formats.xmp import COMPUTED_COLORS, state_computed_colors

from .picture_structure import verify_png, verify_tiff

CAPTION = "Großmutter, 1931; Бабушка; 祖母".encode() + b"\0"
MAKER_NOTE = bytes(range(256)) * 3
IPTC = b"\x1c\x02\x78\0\x14Caption: Aunt Mary \xc3\xbc"
SUFFIXES = (".jpg", ".png", ".tif", ".webp")


def rational(order: str, *values: int) -> Entry:
    return Entry(5, len(values) // 2, struct.pack(f"{order}{len(values)}L", *values))


def make_exif(order: str) -> bytes:
    """Return an EXIF block with all of its directories."""
    block = Block(order, {})
    main = {
        0x010E: Entry(2, len(CAPTION), CAPTION),
        0x0112: block.short(6),
        0x0132: Entry(2, 20, b"2019:02:03 04:05:06\0"),
        0x8298: Entry(2, 7, b"\xc2\xa9 Ann\0"),
    }
    exif = {
        0x9003: Entry(2, 20, b"1931:05:06 07:08:09\0"),
        0x927C: Entry(7, len(MAKER_NOTE), MAKER_NOTE),
        0x9286: Entry(7, 16, b"UNICODE\0" + "Анна".encode("utf-16-le" if order == "<" else "utf-16-be")),
        0xA001: block.short(0xFFFF),
        0xA002: block.long(320),
        0xA003: block.long(240),
    }
    gps = {1: Entry(2, 2, b"N\0"), 2: rational(order, 52, 1, 31, 1, 123, 10)}
    directories = {MAIN: main, EXIF: exif, GPS: gps, INTEROP: {1: Entry(2, 4, b"R98\0")}}
    return pack_block(Block(order, directories))


def read_exif(path: Path) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """Return the directories as Pillow reads them, which is not how we write them."""
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        return dict(exif), dict(exif.get_ifd(EXIF)), dict(exif.get_ifd(GPS))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("source_suffix", [".jpg", ".png", ".webp"])
def test_exif_of_any_script(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, order: str, source_suffix: str, suffix: str
) -> None:
    source, target = tmp_path / f"in{source_suffix}", tmp_path / f"out{suffix}"
    cloud.save(source, exif=make_exif(order))
    picture = open_picture(source)
    assert picture.notes == () and picture.gray.size == (240, 320)
    assert save(colorizer.colorize(picture.gray), target, of=picture) == ()
    main, exif, gps = read_exif(target)
    text = main[0x010E].encode("latin-1") if isinstance(main[0x010E], str) else main[0x010E]
    assert text.rstrip(b"\0") == CAPTION[:-1]
    assert main[0x0132] == "2019:02:03 04:05:06" and main.get(0x0112, 1) == 1
    assert exif[0x9003] == "1931:05:06 07:08:09" and exif[0x927C] == MAKER_NOTE
    assert exif[0x9286][8:].decode("utf-16-le" if order == "<" else "utf-16-be") == "Анна"
    assert (exif[0xA002], exif[0xA003]) == (240, 320)
    assert [float(value) for value in gps[2]] == [52, 31, 12.3]


def test_exif_of_a_tiff_and_of_a_bigtiff_copy(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path
) -> None:
    cloud.save(tmp_path / "in.jpg", exif=make_exif("<"))
    picture = open_picture(tmp_path / "in.jpg")
    save(colorizer.colorize(picture.gray), tmp_path / "first.tif", of=picture)
    big = make_big(tmp_path / "first.tif")
    (tmp_path / "big.tif").write_bytes(big)
    again = open_picture(tmp_path / "big.tif")
    assert again.notes == ()
    save(colorizer.colorize(again.gray), tmp_path / "second.tif", of=again)
    verify_tiff(tmp_path / "second.tif")
    assert read_exif(tmp_path / "second.tif")[1:] == read_exif(tmp_path / "first.tif")[1:]


def make_big(path: Path) -> bytes:
    """Return a little-endian TIFF file as BigTIFF: its directories are written anew at its end."""
    data = path.read_bytes()
    out = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) + data)  # offsets grow by the 16 bytes

    def directory(offset: int) -> int:
        count = struct.unpack_from("<H", data, offset)[0]
        table = struct.pack("<Q", count)
        for position in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from("<HHL4s", data, position)
            size = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8)[kind] * number
            if tag in (EXIF, GPS, INTEROP):
                kind, field = 13, struct.pack("<Q", directory(struct.unpack("<L", value)[0]))
            elif tag == 273:
                start = struct.unpack("<L", value)[0]
                values = struct.unpack_from(f"<{number}L", data, start) if size > 4 else (start,)
                assert number == 1, "the picture has one strip"
                kind, field = 16, struct.pack("<Q", values[0] + 16)
            elif size > 4:
                start = struct.unpack("<L", value)[0]
                content = data[start : start + size]
                field = content.ljust(8, b"\0") if size <= 8 else struct.pack("<Q", start + 16)
            else:
                field = value.ljust(8, b"\0")
            table += struct.pack("<HHQ", tag, kind, number) + field
        out.extend(bytes(len(out) % 2))
        position = len(out)
        out.extend(table + bytes(8))
        return position

    struct.pack_into("<Q", out, 8, directory(struct.unpack_from("<L", data, 4)[0]))
    return bytes(out)


@pytest.mark.parametrize("source_suffix", [".jpg", ".tif", ".png"])
@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_iptc(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, source_suffix: str, suffix: str
) -> None:
    source, target = tmp_path / f"in{source_suffix}", tmp_path / f"out{suffix}"
    resources = b"8BIM\x04\x25\0\0\0\0\0\x02ab" + pack_iptc(IPTC)
    if source_suffix == ".jpg":
        cloud.save(source)
        data = b"Photoshop 3.0\0" + resources
        segment = b"\xff\xed" + struct.pack(">H", len(data) + 2) + data
        source.write_bytes(insert_segments(source.read_bytes(), [segment]))
    elif source_suffix == ".tif":
        cloud.save(source, tiffinfo={34377: resources}, compression="tiff_lzw")
    else:
        text = PngImagePlugin.PngInfo()
        text.add_text("Raw profile type iptc", f"\niptc\n{len(IPTC):8}\n{IPTC.hex()}\n", zip=True)
        cloud.save(source, pnginfo=text)
    picture = open_picture(source)
    assert (picture.metadata.iptc, picture.notes) == (IPTC, ())
    assert save(colorizer.colorize(picture.gray), target, of=picture) == ()
    assert open_picture(target).metadata.iptc == IPTC
    if suffix != ".jpg":
        (verify_tiff if suffix == ".tif" else verify_png)(target)
    note = "its IPTC block was left out: WebP cannot hold it"
    assert save(colorizer.colorize(picture.gray), tmp_path / "out.webp", of=picture) == (note,)


def test_comments_and_texts(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path) -> None:
    cloud.save(tmp_path / "in.jpg", comment="Anna, 1931 \u00fc".encode())
    picture = open_picture(tmp_path / "in.jpg")
    for suffix in (".jpg", ".png", ".tif"):
        assert save(colorizer.colorize(picture.gray), tmp_path / f"out{suffix}", of=picture) == ()
    assert open_picture(tmp_path / "out.jpg").metadata.comment == "Anna, 1931 \u00fc".encode()
    assert open_picture(tmp_path / "out.png").metadata.texts == (("Comment", "Anna, 1931 \u00fc"),)
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "J. Smith")
    text.add_itxt("Title", "祖母")
    cloud.save(tmp_path / "in.png", pnginfo=text)
    picture = open_picture(tmp_path / "in.png")
    assert save(colorizer.colorize(picture.gray), tmp_path / "texts.png", of=picture) == ()
    verify_png(tmp_path / "texts.png")
    assert open_picture(tmp_path / "texts.png").metadata.texts == (("Author", "J. Smith"), ("Title", "祖母"))
    for suffix, form in ((".jpg", "JPEG"), (".tif", "TIFF"), (".webp", "WebP")):
        notes = save(colorizer.colorize(picture.gray), tmp_path / f"texts{suffix}", of=picture)
        assert notes == (f"its text (Author, Title) was left out: {form} cannot hold it",)


GAIN_MAP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:Item="http://ns.google.com/photos/1.0/container/item/" hdrgm:Version="1.0" tiff:Orientation="6">
 <dc:creator><rdf:Seq><rdf:li>Анна</rdf:li></rdf:Seq></dc:creator><Container:Directory><rdf:Seq>
 <rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Length="9"/></rdf:li>
 </rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.filterwarnings("ignore:.*malformed MPO")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_announcement_of_a_gain_map_is_removed(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, suffix: str
) -> None:
    cloud.save(tmp_path / "in.jpg")
    jpeg = (tmp_path / "in.jpg").read_bytes()
    packet = xmp_segment(GAIN_MAP.encode()) or b""
    mpf = b"\xff\xe2\0\x10MPF\0II*\0\x08\0\0\0\0\0"  # announces a second image, which is missing
    (tmp_path / "in.jpg").write_bytes(insert_segments(jpeg, [packet, mpf]))
    picture = open_picture(tmp_path / "in.jpg")
    save(colorizer.colorize(picture.gray), tmp_path / f"out{suffix}", of=picture)
    data = (tmp_path / f"out{suffix}").read_bytes()
    for word in (b"hdrgm", b"GainMap", b"hdr-gain-map", b"MPF\0", b"Orientation"):
        assert word not in data
    kept = open_picture(tmp_path / f"out{suffix}").metadata.xmp or b""
    assert "Анна".encode() in kept and COMPUTED_COLORS.encode() in kept


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_label(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, suffix: str) -> None:
    frame = colorizer.colorize(cloud)
    save(frame, tmp_path / f"out{suffix}")
    packet = open_picture(tmp_path / f"out{suffix}").metadata.xmp
    assert packet is not None and packet.count(COMPUTED_COLORS.encode()) == 1
    assert state_computed_colors(packet).count(b"DigitalSourceType=") == 1
    save(frame, tmp_path / f"plain{suffix}", label=False)
    assert open_picture(tmp_path / f"plain{suffix}").metadata.xmp is None


def test_another_source_type_is_replaced() -> None:
    attribute = state_computed_colors(None).replace(
        b"compositeWithTrainedAlgorithmicMedia", b"digitalCapture"
    )
    element = GAIN_MAP.replace(
        "<dc:creator>",
        '<e:DigitalSourceType xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">x/digitalCapture'
        "</e:DigitalSourceType><dc:creator>",
    ).encode()
    for packet in (attribute, element):
        assert b"digitalCapture" in packet
        labeled = state_computed_colors(packet)
        assert b"digitalCapture" not in labeled and labeled.count(COMPUTED_COLORS.encode()) == 1


@pytest.mark.parametrize(
    "packet",
    [
        b"<x",
        b"no xml",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a>" * 5000 + b"</a>" * 5000,
        "<a>\xfc</a>".encode("latin-1"),
    ],
)
def test_a_damaged_xmp_packet_is_left_out(
    colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, packet: bytes
) -> None:
    cloud.save(tmp_path / "in.jpg")
    jpeg = insert_segments((tmp_path / "in.jpg").read_bytes(), [xmp_segment(packet) or b""])
    (tmp_path / "in.jpg").write_bytes(jpeg)
    picture = open_picture(tmp_path / "in.jpg")
    assert picture.notes == ("its XMP packet is damaged and was left out",)
    save(colorizer.colorize(picture.gray), tmp_path / "out.jpg", of=picture)
    assert COMPUTED_COLORS.encode() in (tmp_path / "out.jpg").read_bytes()


def test_16_bit_luma_is_kept(colorizer: Colorizer, tmp_path: Path) -> None:
    values = np.linspace(3000, 5000, 320 * 240).reshape(240, 320).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "in.png")
    picture = open_picture(tmp_path / "in.png")
    for suffix in (".png", ".tif"):
        save(colorizer.colorize(picture.gray), tmp_path / f"out{suffix}", of=picture)
        (verify_png if suffix == ".png" else verify_tiff)(tmp_path / f"out{suffix}")


def test_the_time_of_the_file(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path) -> None:
    cloud.save(tmp_path / "in.png")
    os.utime(tmp_path / "in.png", ns=(0, 123_456_789_000_000_000))
    picture = open_picture(tmp_path / "in.png")
    save(colorizer.colorize(picture.gray), tmp_path / "out.png", of=picture)
    assert (tmp_path / "out.png").stat().st_mtime_ns == 123_456_789_000_000_000


@pytest.mark.parametrize(
    ("unit", "density", "resolution", "dpi"),
    [
        (0, 1, None, None),
        (0, 1, (1, 1), None),  # resolution without a unit
        (0, 1, (300, 2), 300),
        (1, 600, None, 600),
        (2, 100, None, 254),
        (1, 600, (72, 2), 600),
    ],
)
def test_resolution_of_a_jpeg(
    colorizer: Colorizer,
    cloud: Image.Image,
    tmp_path: Path,
    unit: int,
    density: int,
    resolution: tuple[int, int] | None,
    dpi: int | None,
) -> None:
    block = Block("<", {})
    main = {0x0132: Entry(2, 20, b"2019:02:03 04:05:06\0")}
    if resolution is not None:
        value = rational("<", resolution[0], 1)
        main |= {282: value, 283: value, 296: block.short(resolution[1])}
    cloud.save(tmp_path / "in.jpg", exif=pack_block(Block("<", {MAIN: main})))
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    data[13:18] = struct.pack(">BHH", unit, density, density)
    (tmp_path / "in.jpg").write_bytes(data)
    picture = open_picture(tmp_path / "in.jpg")
    assert picture.metadata.dpi == (None if dpi is None else pytest.approx((dpi, dpi)))
    save(colorizer.colorize(picture.gray), tmp_path / "out.jpg", of=picture)
    result = (tmp_path / "out.jpg").read_bytes()[13:18]
    assert struct.unpack(">BHH", result) == ((0, 1, 1) if dpi is None else (1, dpi, dpi))
