"""The samples of a TIFF picture as an array: bits, byte order, predictors, planes and tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats import tiff_pages as tags
from edgecolor_runtime.file_formats.tiff_pages import Directory
from edgecolor_runtime.file_formats.tiff_strips import GROUP_BYTES, UNCOMPRESSED, Layout, read_blocks

Box = tuple[int, int, int, int]
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}  # value of SAMPLE_FORMAT -> numpy's kind
_DIFFERENCES = 2  # values of PREDICTOR
_FLOAT_DIFFERENCES = 3
_LOW_BIT_FIRST = 2  # value of FILL_ORDER
_UNPACKED_BITS = 8_000_000  # of odd sizes that are unpacked at a time


@dataclass(frozen=True)
class Samples:
    """The samples of a picture.

    Attributes:
        values: (height, width, samples), in an integer or float type that holds them.
        bits: significant bits of a sample.
        missing: left, top, right and bottom of the parts that the file does not hold; their values are 0.
        damaged: whether data in the file are damaged.
        colors_missing: whether some planes lack parts that others hold; these parts have equal planes.
    """

    values: NDArray[Any]
    bits: int
    missing: tuple[Box, ...]
    damaged: bool
    colors_missing: bool = False


def read_samples(file: IO[bytes], page: Directory, *, salvage: bool) -> Samples:
    """Read all samples of a picture whose compression is one of BYTE_COMPRESSIONS.

    Args:
        file: the TIFF file.
        page: the picture.
        salvage: as for `read_blocks`.

    Raises:
        PictureError: the samples have a type that is not supported, or the tags contradict each other.
    """
    bits, stored = _sample_type(page)
    (width, height), samples = page.size, page.value(tags.SAMPLES_PER_PIXEL, 1)
    layout = _describe_layout(page)
    per_pixel = samples if layout.planes == 1 else 1
    values: NDArray[Any] = np.zeros((height, width, samples), stored.newbyteorder("="))
    missing: dict[Box, set[int]] = {}
    damaged = False
    for block in read_blocks(file, layout, salvage=salvage):
        rows, right = min(layout.height, height - block.top), min(layout.width, width - block.left)
        decoded = _decode_rows(block.rows, page, layout, bits).reshape(
            len(block.rows), layout.width, per_pixel
        )
        target = values[block.top : block.top + rows, block.left : block.left + right]
        target = target if layout.planes == 1 else target[..., block.plane : block.plane + 1]
        present = min(rows, len(decoded))
        target[:present] = decoded[:present, :right]
        if present < rows:
            box = (block.left, block.top + present, block.left + right, block.top + rows)
            missing.setdefault(box, set()).add(block.plane)
        damaged |= not block.whole
    everywhere, some_colors = (
        _separate_missing(values, missing) if layout.planes > 1 else (list(missing), False)
    )
    return Samples(values, bits, tuple(everywhere), damaged, colors_missing=some_colors)


def _separate_missing(values: NDArray[Any], missing: Mapping[Box, set[int]]) -> tuple[list[Box], bool]:
    """Give parts that some planes lack the values of a plane that has them.

    Args:
        values: the samples, which are changed.
        missing: part -> the planes that lack it.

    Returns:
        The parts that all planes lack; and whether there are parts that only some lack.
    """
    everywhere, some_colors = [], False
    for box, planes in missing.items():
        left, top, right, bottom = box
        present = [plane for plane in range(values.shape[-1]) if plane not in planes]
        if not present:
            everywhere.append(box)
            continue
        some_colors = True
        part = values[top:bottom, left:right]
        for plane in planes:
            part[..., plane] = part[..., present[-1]]
    return everywhere, some_colors


def _describe_layout(page: Directory) -> Layout:
    """Return the layout of a picture.

    Raises:
        PictureError: the tags contradict each other.
    """
    width, height = page.size
    samples, bits = page.value(tags.SAMPLES_PER_PIXEL, 1), page.value(tags.BITS, 1)
    planes = samples if page.value(tags.PLANAR, 1) == 2 else 1
    tiled = tags.TILE_OFFSETS in page.tags or tags.TILE_WIDTH in page.tags
    if tiled:
        block_width, block_height = page.value(tags.TILE_WIDTH), page.value(tags.TILE_HEIGHT)
    else:
        block_width, block_height = width, min(page.value(tags.ROWS_PER_STRIP, height) or height, height)
    # Old writers name tiles in the tags of strips.
    offsets = page.tags.get(tags.TILE_OFFSETS) or page.tags.get(tags.STRIP_OFFSETS) or ()
    lengths = page.tags.get(tags.TILE_BYTES) or page.tags.get(tags.STRIP_BYTES) or ()
    if min(width, height, block_width, block_height, samples, bits) < 1 or not offsets:
        raise PictureError("the tags of the TIFF file describe no picture")
    row_bytes = (block_width * bits * (samples if planes == 1 else 1) + 7) // 8
    across, down = -(-width // block_width), -(-height // block_height)
    if across * down * planes > len(offsets) or min(offsets) < 0:
        parts = across * down * planes
        raise PictureError(
            f"damaged TIFF: the size of the picture needs {parts} parts, and it lists {len(offsets)}"
        )
    if len(lengths) < len(offsets):
        lengths = (*lengths, *[row_bytes * block_height] * (len(offsets) - len(lengths)))
    layout = Layout(
        rows=height,
        compression=page.value(tags.COMPRESSION, UNCOMPRESSED),
        tiled=tiled,
        reversed_bits=page.value(tags.FILL_ORDER, 1) == _LOW_BIT_FIRST,
        width=block_width,
        height=block_height,
        across=across,
        down=down,
        planes=planes,
        row_bytes=row_bytes,
        offsets=offsets,
        lengths=lengths,
    )
    return layout if tiled or layout.compression != UNCOMPRESSED else _cut_strips(layout)


def _cut_strips(layout: Layout) -> Layout:
    """Return the layout with smaller strips: nothing separates the rows of uncompressed data."""
    height = max(1, GROUP_BYTES // layout.row_bytes)
    if layout.height <= height:
        return layout
    offsets = [
        offset + row * layout.row_bytes
        for plane in range(layout.planes)
        for down, offset in enumerate(layout.offsets[plane * layout.down : (plane + 1) * layout.down])
        for row in range(0, min(layout.height, layout.rows - down * layout.height), height)
    ]
    return replace(
        layout,
        height=height,
        down=-(-layout.rows // height),
        offsets=tuple(offsets),
        lengths=(height * layout.row_bytes,) * len(offsets),
    )


def _sample_type(page: Directory) -> tuple[int, np.dtype[Any]]:
    """Return the bits of a sample, and the type in which it is stored or into which it is unpacked."""
    sizes, formats = set(page.tags.get(tags.BITS, (1,))), set(page.tags.get(tags.SAMPLE_FORMAT, (1,)))
    bits = min(sizes)
    kind = _KINDS.get(min(formats))
    if len(sizes) > 1 or len(formats) > 1 or kind is None or not 1 <= bits <= 64:
        raise PictureError(
            f"TIFF with samples of {sorted(sizes)} bits in format {sorted(formats)} is not supported"
        )
    if kind == "f" and bits not in (16, 32, 64):
        raise PictureError(f"TIFF with floats of {bits} bits is not supported; save it with 32 bits")
    if bits in (8, 16, 32, 64):
        return bits, np.dtype(f"{page.order}{kind}{bits // 8}")
    if kind == "i" or bits > 32:
        raise PictureError(f"TIFF with integers of {bits} bits is not supported; save it with 16 bits")
    return bits, np.dtype("u1" if bits < 8 else "u2" if bits < 16 else "u4")


def _decode_rows(rows: U8, page: Directory, layout: Layout, bits: int) -> NDArray[Any]:
    """Return the samples of the rows of a block, (rows, samples of a row)."""
    stride = page.value(tags.SAMPLES_PER_PIXEL, 1) if layout.planes == 1 else 1
    predictor = page.value(tags.PREDICTOR, 1)
    count, stored = layout.width * stride, _sample_type(page)[1]
    if bits not in (8, 16, 32, 64):
        return _unpack(rows, bits, count, little=page.order == "<").astype(stored, copy=False)
    if predictor == _FLOAT_DIFFERENCES:
        return _undo_float_differences(rows, stored.itemsize, count, stride)
    if predictor == _DIFFERENCES:
        unsigned = np.dtype(f"{page.order}u{stored.itemsize}")
        differences = np.ascontiguousarray(rows).view(unsigned).reshape(len(rows), layout.width, stride)
        summed = np.cumsum(differences, axis=1, dtype=unsigned.newbyteorder("="))
        return summed.reshape(len(rows), count).view(stored.newbyteorder("="))
    return np.ascontiguousarray(rows).view(stored)


def _unpack(rows: U8, bits: int, count: int, *, little: bool) -> NDArray[Any]:
    """Unpack samples that fill no whole bytes; the first sample has the highest bits."""
    if bits == 1:
        return np.unpackbits(rows, axis=1, count=count)
    if bits in (2, 4):
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        return (rows[..., None] >> shifts & ((1 << bits) - 1)).reshape(len(rows), -1)[:, :count]
    if bits == 24 and little:
        rows = rows.reshape(len(rows), count, 3)[..., ::-1].reshape(rows.shape)
    values = np.empty((len(rows), count), np.uint32)
    step = max(1, _UNPACKED_BITS // (count * bits))
    for start in range(0, len(rows), step):
        part = values[start : start + step]
        unpacked = np.unpackbits(rows[start : start + step], axis=1, count=count * bits)
        part[:] = 0
        for bit in range(bits):
            part[:] = part << 1 | unpacked[:, bit::bits]
    return values


def _undo_float_differences(rows: U8, size: int, count: int, stride: int) -> NDArray[Any]:
    """Undo the predictor for floats: bytes of equal weight lie together, and are differences."""
    summed = np.cumsum(rows.reshape(len(rows), -1, stride), axis=1, dtype=np.uint8)
    by_weight = summed.reshape(len(rows), size, count)
    return np.ascontiguousarray(by_weight.transpose(0, 2, 1)).view(f">f{size}").reshape(len(rows), count)
