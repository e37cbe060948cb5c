"""TIFF files in every layout of samples give the same picture; thumbnails and raw data are not colored.

Pillow cannot write most of these files. The first part of this module writes them: planes, tiles, predictors,
any type of samples, and directories below each other.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.images.reader import count_pages, open_picture, parse_picture

NONE = 1  # compressions
LZW = 5
JPEG = 7
DEFLATE = 8
PACK_BITS = 32773

_SHORT = 3  # types of tags
_LONG = 4
_LONG8 = 16
_KINDS = {"u": 1, "i": 2, "f": 3}


@dataclass(frozen=True)
class Page:
    """One page of a file to write.

    Attributes:
        values: samples, shape (height, width) or (height, width, samples).
        photometric: value of the tag.
        bits: bits of a sample if they are not those of the type of `values`.
        compression: NONE, LZW, JPEG, DEFLATE or PACK_BITS.
        rows: rows of a strip; None for all.
        tile: width and height of a tile; None for strips.
        planar: each sample in a plane of its own.
        predictor: 1, 2 for differences, 3 for differences of floats.
        tags: further tags, each a number or several.
        children: pages below this one (SubIFDs).
    """

    values: NDArray[Any]
    photometric: int = 1
    bits: int = 0
    compression: int = NONE
    rows: int | None = None
    tile: tuple[int, int] | None = None
    planar: bool = False
    predictor: int = 1
    tags: Mapping[int, int | Sequence[int]] = field(default_factory=dict)
    children: Sequence[Page] = ()


def tiff(*pages: Page, order: str = "<", big: bool = False) -> bytes:
    """Return a TIFF file of these pages, with each directory before its pixels."""
    word = "Q" if big else "I"
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HH", 8, 0) if big else b""
    data = bytearray(head + bytes(struct.calcsize(word)))
    link = len(head)
    for page in pages:
        struct.pack_into(order + word, data, link, len(data))
        link = _append(data, page, order, big)
    return bytes(data)


def _append(data: bytearray, page: Page, order: str, big: bool) -> int:
    """Append a page; return the place of the offset of the next one."""
    values = page.values if page.values.ndim == 3 else page.values[..., None]
    height, width, samples = values.shape
    bits = page.bits or 8 * values.dtype.itemsize
    blocks = [_compress(block, page, bits, order) for block in _blocks(values, page)]
    tags: dict[int, list[int]] = {
        254: [0], 256: [width], 257: [height], 258: [bits] * samples, 259: [page.compression],
        262: [page.photometric], 277: [samples], 284: [2 if page.planar else 1], 317: [page.predictor],
        339: [_KINDS[values.dtype.kind]] * samples,
    }  # fmt: skip
    offsets, lengths = (324, 325) if page.tile else (273, 279)
    if page.tile:
        tags[322], tags[323] = [page.tile[0]], [page.tile[1]]
    else:
        tags[278] = [page.rows or height]
    tags |= {tag: [value] if isinstance(value, int) else list(value) for tag, value in page.tags.items()}
    tags |= {offsets: [0] * len(blocks), lengths: [len(block) for block in blocks]}
    if page.children:
        tags[330] = [0] * len(page.children)
    places, link = _append_directory(data, tags, order, big)
    code = order + ("Q" if big else "I")
    for number, block in enumerate(blocks):
        struct.pack_into(code, data, places[offsets] + number * struct.calcsize(code), len(data))
        data += block
    for number, child in enumerate(page.children):
        struct.pack_into(code, data, places[330] + number * struct.calcsize(code), len(data))
        _append(data, child, order, big)
    return link


def _append_directory(
    data: bytearray, tags: Mapping[int, Sequence[int]], order: str, big: bool
) -> tuple[dict[int, int], int]:
    """Append a directory; return the place of each tag's values, and that of the offset of the next."""
    count, entry, size = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    kind, code = (_LONG8, "Q") if big else (_LONG, "I")
    start = len(data) + struct.calcsize(order + count)
    length = struct.calcsize(order + entry) + size
    lists = start + len(tags) * length + size
    data += struct.pack(order + count, len(tags)) + bytes(len(tags) * length + size)
    places = {}
    for number, (tag, values) in enumerate(sorted(tags.items())):
        place = start + number * length
        # Pillow reads some tags, such as the compression, as SHORT only.
        short = tag not in (273, 279, 324, 325, 330) and max(values) < 1 << 16
        packed = struct.pack(f"{order}{len(values)}{'H' if short else code}", *values)
        struct.pack_into(order + entry, data, place, tag, _SHORT if short else kind, len(values))
        field_place = place + length - size
        if len(packed) > size:
            struct.pack_into(order + code, data, field_place, lists)
            field_place = lists
            lists += len(packed)
            data += packed
        else:
            data[field_place : field_place + len(packed)] = packed
        places[tag] = field_place
    return places, start + len(tags) * length


def _blocks(values: NDArray[Any], page: Page) -> list[NDArray[Any]]:
    planes = [values[..., s : s + 1] for s in range(values.shape[-1])] if page.planar else [values]
    height, width = values.shape[:2]
    if page.tile is None:
        rows = page.rows or height
        return [plane[top : top + rows] for plane in planes for top in range(0, height, rows)]
    across, down = page.tile
    padded = [np.pad(p, ((0, -height % down), (0, -width % across), (0, 0)), mode="edge") for p in planes]
    return [
        plane[top : top + down, left : left + across]
        for plane in padded
        for top in range(0, height, down)
        for left in range(0, width, across)
    ]


def _compress(block: NDArray[Any], page: Page, bits: int, order: str) -> bytes:
    height, width, samples = block.shape
    if page.predictor == 2:
        unsigned = block.view(f"u{block.itemsize}")
        block = np.diff(unsigned, axis=1, prepend=np.zeros_like(unsigned[:, :1]))
    if bits != 8 * block.itemsize:
        shifts = np.arange(bits - 1, -1, -1)
        rows = (block.reshape(height, width * samples, 1) >> shifts & 1).astype(np.uint8)
        data = np.packbits(rows.reshape(height, -1), axis=1).tobytes()
    elif page.predictor == 3:
        bytes_of = block.reshape(height, width * samples).astype(f">f{block.itemsize}").view(np.uint8)
        planes = bytes_of.reshape(height, width * samples, block.itemsize).transpose(0, 2, 1)
        pixels = planes.reshape(height, -1, samples)
        data = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1])).tobytes()
    else:
        data = block.astype(f"{order}{block.dtype.kind}{block.itemsize}").tobytes()
    if page.compression == JPEG:
        file = io.BytesIO()
        Image.fromarray(block[..., 0]).save(file, "JPEG", quality=95)
        return file.getvalue()
    if page.compression == DEFLATE:
        return zlib.compress(data)
    if page.compression == PACK_BITS:
        parts = [data[start : start + 128] for start in range(0, len(data), 128)]
        return b"".join(bytes([len(part) - 1]) + part for part in parts)
    return _lzw(data) if page.compression == LZW else data


def _lzw(data: bytes) -> bytes:
    """Compress with codes of 9 bits alone: the table is cleared before it needs more."""
    codes = []
    for start in range(0, len(data), 250):
        codes += [256, *data[start : start + 250]]
    codes.append(257)
    shifts = np.arange(8, -1, -1)
    return np.packbits((np.array(codes)[:, None] >> shifts & 1).astype(np.uint8)).tobytes()


HEIGHT, WIDTH = 40, 60
RAMP = (np.add.outer(np.arange(HEIGHT) * 5, np.arange(WIDTH) * 3) % 256).astype(np.uint8)
RGB = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)


def read(*pages: Page, order: str = "<", big: bool = False, page: int | None = None) -> Picture:
    file = io.BytesIO(tiff(*pages, order=order, big=big))
    return parse_picture(file.getvalue(), "a.tif", page=page)


def gray_error(picture: Picture, expected: NDArray[Any] = RAMP) -> float:
    """Return the largest difference of a picture's luma from the expected one."""
    assert picture.gray.size == expected.shape[::-1]
    return float(np.abs(np.asarray(picture.gray, np.float64) - expected).max())


def luma(rgb: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))


LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rows": 7},
    "tiles": {"tile": (16, 32)},
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE, PACK_BITS])
@pytest.mark.parametrize("planar", [False, True])
def test_16_bit_rgb(order: str, big: bool, layout: str, compression: int, planar: bool) -> None:
    page = Page(RGB.astype(np.uint16) * 257, 2, compression=compression, planar=planar, **LAYOUTS[layout])
    picture = read(page, order=order, big=big)
    assert picture.rgb is not None
    np.testing.assert_array_equal(np.asarray(picture.rgb), RGB)
    assert gray_error(picture, luma(RGB)) <= 1
    assert not picture.notes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i2", "f2", "f4", "f8"])
def test_predictors(order: str, planar: bool, kind: str) -> None:
    predictor = 3 if kind.startswith("f") else 2
    scale = {"u1": 1, "u2": 257, "u4": 16843009, "i2": 128}.get(kind, 1 / 255)
    values = (RGB.astype(np.float64) * scale).astype(kind)
    page = Page(values, 2, compression=DEFLATE, planar=planar, predictor=predictor, rows=9)
    picture = read(page, order=order)
    assert np.abs(np.asarray(picture.to_rgb(), np.int16) - RGB).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 7])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("compression", [NONE, LZW])
def test_few_bits(bits: int, photometric: int, compression: int) -> None:
    values = (RAMP >> (8 - bits))[:, :59]  # rows that end inside a byte
    picture = read(Page(values, photometric, bits=bits, compression=compression))
    expected = np.rint(values * (255 / (2**bits - 1)))
    assert gray_error(picture, 255 - expected if photometric == 0 else expected) == 0


@pytest.mark.parametrize("bits", [10, 12, 14, 16, 24, 32])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_unsigned_integers_span_their_bits(bits: int, photometric: int, order: str) -> None:
    full = 2**bits - 1
    values = np.rint(RAMP * (full / 255)).astype(np.uint16 if bits <= 16 else np.uint32)
    file = tiff(Page(values, photometric, bits=bits), order=order)
    if bits == 24 and order == "<":  # the writer above packs bits, as in files of the other byte order
        start = len(file) - 3 * values.size
        file = file[:start] + np.frombuffer(file[start:], "u1").reshape(-1, 3)[:, ::-1].tobytes()
    picture = parse_picture(file, "a.tif")
    assert gray_error(picture, 255 - RAMP if photometric == 0 else RAMP) <= 1
    assert not picture.notes


@pytest.mark.parametrize(
    ("kind", "low", "high", "assumed"),
    [
        ("u2", 0, 255, "read as 8 bits"),
        ("u2", 0, 1023, "read as 10 bits"),
        ("u2", 0, 4095, "read as 12 bits"),
        ("u4", 0, 255, "read as 8 bits"),
        ("u4", 0, 65535, "read as 16 bits"),
        ("u4", 0, 1_000_000, "values from 0 to 1000000 were scaled"),
        ("i1", -128, 127, "read as -128 (black) to 127 (white)"),
        ("i1", 0, 127, "read as 0 (black) to 127 (white)"),
        ("i2", -32768, 32767, "read as -32768 (black) to 32767 (white)"),
        ("i2", 0, 32767, "read as 0 (black) to 32767 (white)"),
        ("i2", 0, 4095, "read as 0 (black) to 4095 (white)"),
        ("i2", 0, 255, "read as 0 (black) to 255 (white)"),
        ("i2", -5, 900, "values from -5 to 900 were scaled"),
        ("i4", 0, 2147483647, "read as 0 (black) to 2147483647 (white)"),
        ("i4", 0, 65535, "read as 0 (black) to 65535 (white)"),
        ("f4", 0, 255, "read as 0 (black) to 255 (white)"),
        ("f4", 0, 4095, "read as 0 (black) to 4095 (white)"),
        ("f4", 0, 65535, "read as 0 (black) to 65535 (white)"),
        ("f4", -1, 1, "values from -1 to 1 were scaled"),
        ("f8", 0, 1e7, "values from 0 to 1e+07 were scaled"),
    ],
)
def test_the_assumed_range_is_noted(kind: str, low: float, high: float, assumed: str) -> None:
    values = low + RAMP.astype(np.float64) / 255 * (high - low)
    values = values.astype(kind) if kind.startswith("f") else np.rint(values).astype(kind)
    picture = read(Page(values))
    assert gray_error(picture) <= 1
    assert len(picture.notes) == 1 and assumed in picture.notes[0]


def test_a_dark_16_bit_picture_stays_dark() -> None:
    values = (RAMP // 4).astype(np.uint16) * 257
    picture = read(Page(values))
    assert gray_error(picture, RAMP // 4) == 0 and not picture.notes


@pytest.mark.parametrize("over", [1.05, 7.0, 300.0, 1e6, np.inf])
def test_a_few_floats_above_1_are_clipped(over: float) -> None:
    values = RAMP.astype(np.float32) / 255
    values[3, 4] = over
    expected = RAMP.copy()
    expected[3, 4] = 255
    picture = read(Page(values))
    assert gray_error(picture, expected) <= 1
    assert np.isinf(over) or "a few above 1 were clipped" in picture.notes[0]


def test_floats_without_a_value_are_black() -> None:
    values = RAMP.astype(np.float32) / 255
    values[:2], values[2:4] = np.nan, -3.4e38
    expected = RAMP.copy()
    expected[:4] = 0
    picture = read(Page(values))
    assert gray_error(picture, expected) <= 1
    assert picture.notes == ("its pixels without a value are black",)


def test_palette() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (3, 256))
    for stored in (colors * 257, colors):  # old writers store 8 bits
        picture = read(Page(RAMP, 3, tags={320: stored.ravel().tolist()}))
        np.testing.assert_array_equal(np.asarray(picture.rgb), colors.T[RAMP])


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("planar", [False, True])
def test_alpha(kind: str, colors: int, planar: bool) -> None:
    alpha = RAMP.T.repeat(2, axis=0)[:HEIGHT].repeat(2, axis=1)[:, :WIDTH]
    color = RGB if colors == 3 else RAMP[..., None]
    values = np.concatenate([color, alpha[..., None]], axis=-1).astype(kind)
    values = values * 257 if kind == "u2" else values
    page = Page(values, 2 if colors == 3 else 1, planar=planar, tags={338: 2})
    picture = read(page)
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.asarray(picture.alpha), alpha)
    assert gray_error(picture, luma(RGB) if colors == 3 else RAMP) <= 1
    infrared = read(replace(page, tags={338: 0}))
    assert infrared.alpha is None and gray_error(infrared, luma(RGB) if colors == 3 else RAMP) <= 1


def test_associated_alpha_is_divided_out() -> None:
    alpha = np.full_like(RAMP, 128)
    values = np.stack([(RAMP.astype(np.uint16) * 128 // 255).astype(np.uint8), alpha], axis=-1)
    assert gray_error(read(Page(values, 1, tags={338: 1}))) <= 2


def test_cmyk_16_bit() -> None:
    inks = np.stack([255 - RAMP] * 3 + [np.zeros_like(RAMP)], axis=-1).astype(np.uint16) * 257
    assert gray_error(read(Page(inks, 5))) <= 1


ORIENTED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].T,
    8: lambda upright: np.rot90(upright, -1),
}
"""Orientation -> how an upright picture is stored."""


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE, PACK_BITS])
@pytest.mark.parametrize("from_path", [False, True])
def test_orientation(tmp_path: Path, orientation: int, compression: int, from_path: bool) -> None:
    stored = np.ascontiguousarray(ORIENTED[orientation](RAMP))
    page = Page(stored, compression=compression, tags={274: orientation}, rows=11)
    (tmp_path / "a.tif").write_bytes(tiff(page))
    picture = open_picture(tmp_path / "a.tif") if from_path else read(page)
    assert gray_error(picture) == 0
    kept = Image.Exif()
    if picture.metadata.exif:
        kept.load(picture.metadata.exif)
    assert 274 not in kept


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("compression", ["jpeg", "group4", "group3"])
def test_orientation_of_what_pillow_decodes(orientation: int, compression: str) -> None:
    upright = RAMP if compression == "jpeg" else (RAMP > 99) * np.uint8(255)
    image = Image.fromarray(np.ascontiguousarray(ORIENTED[orientation](upright)))
    file = io.BytesIO()
    if compression == "jpeg":
        image.save(file, "TIFF", compression="jpeg", tiffinfo={274: orientation}, quality=100)
    else:
        image.convert("1").save(file, "TIFF", compression=compression, tiffinfo={274: orientation})
    picture = parse_picture(file.getvalue(), "a.tif")
    assert gray_error(picture, upright) <= (3 if compression == "jpeg" else 0)


THUMBNAIL = Page(np.full((10, 15), 7, np.uint8), tags={254: 1})


@pytest.mark.parametrize("big", [False, True])
def test_a_thumbnail_is_not_the_picture(big: bool) -> None:
    picture = Page(RAMP)
    below = replace(THUMBNAIL, children=[picture])
    preview = replace(THUMBNAIL, values=np.full((20, 30), 9, np.uint8))
    for pages in (
        [THUMBNAIL, picture],
        [picture, THUMBNAIL],
        [THUMBNAIL, preview, picture],
        [replace(picture, children=[THUMBNAIL])],
        [below],
        [replace(THUMBNAIL, children=[preview, picture])],
        [replace(THUMBNAIL, children=[replace(preview, children=[picture])])],
        [replace(THUMBNAIL, tags={}), picture],  # not marked
        [replace(THUMBNAIL, tags={255: 2}), picture],  # with the mark of older files
    ):
        result = read(*pages, big=big)
        assert gray_error(result) == 0
        assert result.pages == 1 and not result.notes


def test_a_thumbnail_alone_is_a_picture() -> None:
    assert gray_error(read(THUMBNAIL), THUMBNAIL.values) == 0


def test_pages(tmp_path: Path) -> None:
    pages = [Page(np.roll(RAMP, shift, axis=1), compression=DEFLATE) for shift in (0, 5, 9)]
    (tmp_path / "a.tif").write_bytes(tiff(pages[0], THUMBNAIL, *pages[1:]))
    assert count_pages(tmp_path / "a.tif") == 3
    first = open_picture(tmp_path / "a.tif")
    assert first.notes == ("holds 3 pages; only the first is colored",) and first.pages == 3
    for number, page in enumerate(pages, 1):
        picture = open_picture(tmp_path / "a.tif", page=number)
        assert gray_error(picture, page.values) == 0 and not picture.notes
    for number in (0, 4, -1):
        with pytest.raises(PictureError, match=rf"no page {number}; the file has 3"):
            open_picture(tmp_path / "a.tif", page=number)


@pytest.mark.parametrize("order", ["<", ">"])
def test_raw_data_are_never_taken_for_a_picture(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    mosaic = Page(RAMP.astype(np.uint16), 32803)
    for pages in (
        [mosaic],
        [replace(THUMBNAIL, children=[mosaic])],
        [Page(RAMP), mosaic],
        [replace(THUMBNAIL, children=[Page(RAMP), replace(mosaic, photometric=34892)])],
        [replace(THUMBNAIL, children=[replace(mosaic, photometric=1, tags={259: 34713})])],
    ):
        with pytest.raises(
            PictureError, match=r"camera raw files need the rawpy package\. Install it with: "
        ):
            read(*pages, order=order)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE, PACK_BITS])
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_a_file_without_its_end(layout: str, compression: int, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (192, 64), np.uint8)
    values = noise if kind == "u1" else noise.astype(np.uint16) * 257
    data = tiff(Page(values, compression=compression, **LAYOUTS[layout]))
    picture = parse_picture(data[: len(data) * 3 // 4], "a.tif")
    assert len(picture.notes) == 1 and picture.notes[0].endswith("are missing")
    share = float(picture.notes[0].split()[2]) / 100
    assert picture.notes[0].startswith("the lower ") and 0.2 < share < 0.35
    present = int(192 * (1 - share)) - 33
    result = np.asarray(picture.gray)
    np.testing.assert_array_equal(result[:present], noise[:present])
    assert (result[-32:] == 128).all()  # below the last tile that is there
    with pytest.raises(PictureError, match=r"a\.tif: damaged picture: the lower .* are missing"):
        parse_picture(data[: len(data) * 3 // 4], "a.tif", strict=True)


@pytest.mark.parametrize("rows", [None, 32])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_jpeg_in_a_file_without_its_end(rows: int | None, share: float) -> None:
    values = np.random.default_rng(0).integers(0, 256, (192, 64), np.uint8)
    data = tiff(Page(values, compression=JPEG, rows=rows))
    whole = np.asarray(parse_picture(data, "a.tif").gray)
    picture = parse_picture(data[: int(len(data) * share)], "a.tif")
    assert picture.notes[0].startswith("the lower ") and picture.notes[0].endswith(" % are missing")
    missing = float(picture.notes[0].split()[2]) / 100
    assert abs(missing - (1 - share)) < 0.2
    present = round(192 * (1 - missing)) - 9
    np.testing.assert_array_equal(np.asarray(picture.gray)[:present], whole[:present])
    assert (np.asarray(picture.gray)[-8:] == 128).all()


def test_a_plane_that_is_missing() -> None:
    data = tiff(Page(RGB, 2, planar=True))
    picture = parse_picture(data[: -RAMP.size * 3 // 2], "a.tif")  # blue, and half of green
    assert picture.notes == ("its last bytes are missing, and with them some of its colors",)
    rgb = np.asarray(picture.to_rgb())
    np.testing.assert_array_equal(rgb[..., 0], RGB[..., 0])
    np.testing.assert_array_equal(rgb[: HEIGHT // 2, :, 1], RGB[: HEIGHT // 2, :, 1])


def test_pages_that_are_missing() -> None:
    pages = [Page(np.roll(RAMP, shift, axis=1)) for shift in (0, 5, 9)]
    data = tiff(*pages)
    picture = parse_picture(data[: len(data) * 2 // 3 - 10], "a.tif")
    assert picture.notes == (
        "holds 2 pages; only the first is colored",
        "its last bytes are missing, and with them its last pages",
    )
    with pytest.raises(PictureError, match="with them its last pages"):
        parse_picture(data[: len(data) * 2 // 3 - 10], "a.tif", strict=True)


def test_the_missing_part_is_named_as_it_is_shown() -> None:
    for orientation, side in {1: "lower", 3: "upper", 6: "left", 8: "right"}.items():
        data = tiff(Page(RAMP, tags={274: orientation}))
        assert parse_picture(data[:-600], "a.tif").notes == (f"the {side} 25 % are missing",)


def test_a_file_without_any_pixel() -> None:
    for page in (Page(RAMP), Page(RAMP, compression=LZW), Page(RAMP, tile=(16, 16), compression=DEFLATE)):
        data = tiff(page)
        pixels = sum(
            len(block) for block in (_compress(b, page, 8, "<") for b in _blocks(RAMP[..., None], page))
        )
        with pytest.raises(PictureError, match=r"^a\.tif: the file ends before its first pixels$"):
            parse_picture(data[: len(data) - pixels], "a.tif")


def test_a_file_whose_directory_is_missing() -> None:
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "TIFF", compression="tiff_lzw")  # its directory lies at the end
    data = file.getvalue()
    with pytest.raises(PictureError, match="its end is missing, and with it the directory"):
        parse_picture(data[: len(data) // 2], "a.tif")


def test_damage_in_the_middle() -> None:
    data = bytearray(
        tiff(Page(np.random.default_rng(0).integers(0, 256, (200, 64), np.uint8), compression=DEFLATE))
    )
    data[len(data) // 2] ^= 4
    picture = parse_picture(bytes(data), "a.tif")
    assert len(picture.notes) == 1
    with pytest.raises(PictureError, match="damaged picture"):
        parse_picture(bytes(data), "a.tif", strict=True)


def test_hostile_directories_end_in_one_line() -> None:
    rng = np.random.default_rng(0)
    whole = tiff(THUMBNAIL, replace(Page(RAMP, compression=LZW, rows=5), children=[THUMBNAIL]))
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.integers(4, min(700, len(data)), 3):
            data[place] = rng.integers(0, 256)
        try:
            parse_picture(bytes(data), "a.tif")
        except PictureError as error:
            assert str(error).startswith("a.tif: ") and "\n" not in str(error)


def test_directories_in_a_circle() -> None:
    data = bytearray(tiff(Page(RAMP), Page(RAMP)))
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert parse_picture(bytes(data), "a.tif").pages == 1
