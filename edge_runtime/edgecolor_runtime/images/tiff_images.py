"""A page of a TIFF file as a Pillow image: gray, RGB, palettes, CMYK, with or without alpha."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Sequence
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, TiffImagePlugin

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats import tiff_pages as tags
from edgecolor_runtime.file_formats.tiff_pages import Directory
from edgecolor_runtime.file_formats.tiff_strips import BYTE_COMPRESSIONS, UNCOMPRESSED
from edgecolor_runtime.images.formats import pictures_of_any_size
from edgecolor_runtime.images.samples import luma_of, round_to_8_bits, scale_to_16_bits

if TYPE_CHECKING:
    from edgecolor_runtime.colors.spaces import U8, U16
    from edgecolor_runtime.file_formats.tiff_samples import Samples

_LONG = 4  # type of values
_JPEG_END = b"\xff\xd9"
_MAX_FILLER_BYTES = 64_000_000
_NOISE_BYTES = 4096  # more than the coefficients of a block
_ASSOCIATED_ALPHA = 1  # values of EXTRA_SAMPLES
_ALPHA = 2
_MAX_16_BIT = 65535
Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a page in pixels."""

_COMPRESSIONS = {
    1: "no compression", 2: "fax compression", 3: "fax compression", 4: "fax compression",
    6: "JPEG compression of 1992", 7: "JPEG compression", 34661: "JBIG compression",
    34712: "JPEG 2000 compression", 34887: "LERC compression", 50001: "WebP compression",
    50002: "JPEG XL compression",
}  # fmt: skip
_COLOR_SAMPLES = {
    tags.WHITE_IS_ZERO: 1,
    tags.BLACK_IS_ZERO: 1,
    tags.RGB: 3,
    tags.PALETTE: 1,
    tags.TRANSPARENCY_MASK: 1,
    tags.CMYK: 4,
}
"""Photometric interpretation -> samples of a color, for those that are read here; Pillow reads the others."""


def needs_pillow(page: Directory) -> bool:
    """Return whether a page has colors or a compression that only Pillow decodes, such as JPEG and fax."""
    return (
        page.value(tags.COMPRESSION, UNCOMPRESSED) not in BYTE_COMPRESSIONS
        or _photometric(page) not in _COLOR_SAMPLES
    )


def image_of_samples(
    samples: Samples, page: Directory, gray_range: tuple[float, float] | None = None
) -> tuple[Image.Image, U16 | None, tuple[str, ...]]:
    """Return the samples of a page as an image of mode L, LA, RGB, RGBA or CMYK.

    Args:
        samples: the samples.
        page: the directory of the page.
        gray_range: the values of more than 8 bits that become black and white; None: type and values decide.

    Returns:
        The image as it lies in the file; its luma with 16 bits if its samples have more than 8; and notes on
        what was assumed about its values.

    Raises:
        PictureError: the page has fewer samples than its colors need, or no palette.
        ValueError: no value is finite.
    """
    photometric, values = _photometric(page), samples.values
    colors = _COLOR_SAMPLES[photometric]
    if values.shape[-1] < colors:
        raise PictureError(f"the TIFF file has {values.shape[-1]} samples per pixel instead of {colors}")
    alpha, associated = _alpha_of(values, page, colors, samples.bits)
    values = values[..., :colors]
    if photometric == tags.PALETTE:
        return _image_of(_look_up(values[..., 0], page, samples.bits), alpha, associated), None, ()
    if values.dtype == np.uint8:
        color = _widen(values, samples.bits)
        color = 255 - color if photometric == tags.WHITE_IS_ZERO else color
        return _image_of(color, alpha, associated), None, ()
    deep, notes = scale_to_16_bits(values, samples.bits, gray_range)
    deep = _MAX_16_BIT - deep if photometric == tags.WHITE_IS_ZERO else deep
    luma = deep[..., 0] if colors == 1 else luma_of(deep) if colors == 3 and alpha is None else None
    luma = None if values.itemsize == 1 else luma
    return _image_of(round_to_8_bits(deep), alpha, associated), luma, notes


def _photometric(page: Directory) -> int:
    # libtiff makes the same assumption about files without the tag.
    assumed = tags.RGB if page.value(tags.SAMPLES_PER_PIXEL, 1) >= 3 else tags.BLACK_IS_ZERO
    return page.value(tags.PHOTOMETRIC, assumed)


def _alpha_of(values: NDArray[Any], page: Directory, colors: int, bits: int) -> tuple[U8 | None, bool]:
    """Return the opacity, and whether the colors are multiplied with it.

    A further sample of unknown meaning is no opacity: scanners store infrared there.
    """
    kinds = page.tags.get(tags.EXTRA_SAMPLES, (_ALPHA,) if values.shape[-1] == colors + 1 else ())
    for number, kind in enumerate(kinds[: values.shape[-1] - colors]):
        if kind in (_ASSOCIATED_ALPHA, _ALPHA):
            plane = values[..., colors + number]
            opaque = 1.0 if plane.dtype.kind == "f" else float((1 << bits) - 1)
            scaled = np.rint(np.nan_to_num(plane.astype(np.float32)) * (255 / opaque))
            return scaled.clip(0, 255).astype(np.uint8), kind == _ASSOCIATED_ALPHA
    return None, False


def _widen(values: U8, bits: int) -> U8:
    """Scale samples of at most 8 bits to 8 bits."""
    if bits == 8:
        return values
    table = np.rint(np.arange(1 << bits) * (255 / ((1 << bits) - 1))).astype(np.uint8)
    widened: U8 = table[values]
    return widened


def _look_up(indices: NDArray[Any], page: Directory, bits: int) -> U8:
    entries = np.array(page.tags.get(tags.COLOR_MAP, ()), np.uint16)
    if entries.size != 3 << bits:
        raise PictureError("the palette of the TIFF file is missing or has a wrong length")
    shift = 8 if entries.max() > 255 else 0  # old writers store 8 bits
    colors: U8 = (entries >> shift).astype(np.uint8).reshape(3, -1).T[indices]
    return colors


def _image_of(color: U8, alpha: U8 | None, associated: bool) -> Image.Image:
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[color.shape[-1]]
    pixels = np.ascontiguousarray(color[..., 0] if mode == "L" else color)
    image = Image.frombuffer(mode, pixels.shape[1::-1], pixels, "raw", mode, 0, 1)
    if alpha is None or mode == "CMYK":
        return image
    if not associated:
        image.putalpha(Image.fromarray(alpha))
        return image
    multiplied = Image.merge(f"{mode}a", [*image.split(), Image.fromarray(alpha)])
    return multiplied.convert(f"{mode}A")


def decode_cut_page(
    file: IO[bytes], page: Directory, cut: Sequence[Box]
) -> tuple[Image.Image, tuple[Box, ...]]:
    """Decode what is left of a page for which `needs_pillow` is true and whose file misses its end.

    Args:
        file: the TIFF file.
        page: the page.
        cut: result of `find_cut_parts`, at least one.

    Returns:
        The page at its full size, and the part that is missing.

    Raises:
        PictureError: as for `decode_with_pillow`, or no pixel is left.
    """
    width, height = page.size
    _, top, _, bottom = cut[0]
    noise = random.Random(0).randbytes(_NOISE_BYTES)
    try:  # the first of these strips may hold some rows
        ends = [decode_with_pillow(file, page, rows=bottom, filler=filler) for filler in (b"", noise)]
        # What changes with the bytes after the end does not come from the file.
        changed = ImageChops.difference(*(end.convert("L" if end.mode == "1" else end.mode) for end in ends))
        box = changed.getbbox()
        rows = bottom if box is None else box[1]
        decoded = ends[0]
    except PictureError:
        if not top:
            raise
        rows, decoded = top, decode_with_pillow(file, page, rows=top)
    if not rows:
        raise PictureError("the file ends before its first pixels")
    whole = Image.new(decoded.mode, page.size)
    whole.paste(decoded, (0, 0))
    return whole, ((0, rows, width, height),) if rows < height else ()


def decode_with_pillow(
    file: IO[bytes], page: Directory, *, rows: int | None = None, filler: bytes = b""
) -> Image.Image:
    """Decode a page for which `needs_pillow` is true, as it lies in the file.

    Args:
        file: the TIFF file.
        page: the page.
        rows: number of rows to decode; None: all.
        filler: bytes for the end of a file that is cut off, before the end mark of JPEG.

    Raises:
        PictureError: Pillow does not decode this kind of TIFF, or the file is damaged.
    """
    # Pillow compares the size again when it decodes. Large pages wait for each other, which saves memory.
    large = page.size[0] * page.size[1] > (Image.MAX_IMAGE_PIXELS or 0)
    try:
        with pictures_of_any_size():
            opened = TiffImagePlugin.TiffImageFile(io.BytesIO(_single_page(file, page, rows, filler)))
        with opened, pictures_of_any_size() if large else nullcontext():
            opened.load()
            return opened
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises any class of exception on a damaged file
        compression = page.value(tags.COMPRESSION, UNCOMPRESSED)
        kind = _COMPRESSIONS.get(compression, f"compression {compression}")
        raise PictureError(
            f"TIFF with {kind}, photometric interpretation {_photometric(page)} and "
            f"{page.value(tags.BITS, 1)} bits: damaged, or not supported by this Pillow ({error}). "
            "Save it as TIFF with LZW or without compression"
        ) from error


def _single_page(file: IO[bytes], page: Directory, rows: int | None, filler: bytes) -> bytes:
    """Return the file with a copy of one directory as its only one, without the orientation.

    The copy has the height of `rows`, if they are given. A file that is cut off is filled.

    The copy lies at the end and points to the same pixels. Versions of Pillow turn pictures differently.
    """
    file.seek(0)
    data = bytearray(file.read())
    offsets = page.tags.get(tags.TILE_OFFSETS) or page.tags.get(tags.STRIP_OFFSETS) or ()
    lengths = page.tags.get(tags.TILE_BYTES) or page.tags.get(tags.STRIP_BYTES) or ()
    ends = [offset + length for offset, length in zip(offsets, lengths, strict=False)]
    missing = min(max(ends, default=0) - len(data), _MAX_FILLER_BYTES)
    if missing > 0:
        data += (filler + _JPEG_END * (missing // 2 + 1))[:missing]
    count_layout, entry_bytes, word = ("Q", 20, "Q") if page.big else ("H", 12, "I")
    start = page.offset + struct.calcsize(count_layout)
    count = struct.unpack_from(page.order + count_layout, data, page.offset)[0]
    places = range(start, start + count * entry_bytes, entry_bytes)
    entries = (data[place : place + entry_bytes] for place in places)
    kept = [entry for entry in entries if struct.unpack_from(page.order + "H", entry)[0] != tags.ORIENTATION]
    for entry in kept:
        if rows and struct.unpack_from(page.order + "H", entry)[0] == tags.HEIGHT:
            head = struct.pack(f"{page.order}HH{word}", tags.HEIGHT, _LONG, 1)
            entry[:] = (head + struct.pack(f"{page.order}I", rows)).ljust(entry_bytes, b"\0")
    data += bytes(len(data) % 2)
    struct.pack_into(page.order + word, data, 8 if page.big else 4, len(data))
    data += struct.pack(page.order + count_layout, len(kept)) + b"".join(kept)
    data += bytes(struct.calcsize(word))
    return bytes(data)
