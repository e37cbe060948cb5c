"""Write a colored frame to a picture file, with the metadata and transparency of the original picture."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import U8, U16
from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.file_formats.jpeg_segments import (
    STRIP_ROWS,
    comment_segment,
    exif_segment,
    icc_segments,
    insert_segments,
    iptc_segment,
    join_strips,
    xmp_segment,
)
from edgecolor_runtime.file_formats.png_writer import (
    encode_png,
    exif_chunk,
    icc_chunk,
    iptc_chunk,
    resolution_chunk,
    text_chunk,
    xmp_chunk,
)
from edgecolor_runtime.file_formats.tiff_writer import TiffWriter
from edgecolor_runtime.file_formats.xmp import state_computed_colors
from edgecolor_runtime.images.formats import format_of
from edgecolor_runtime.images.memory import WHOLE_JPEG_PIXELS
from edgecolor_runtime.images.metadata import Metadata, add_to_tiff
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.system.files import refuse_existing, write_bytes

DEFAULT_QUALITY = 95  # of JPEG and WebP, 1 to 100

_MAX_JPEG_SIDE = 65_500  # pixels
_MAX_WEBP_SIDE = 16_383  # pixels
_STRIP_BYTES = 1 << 20  # of PNG and TIFF, before compression
_STRIP_PIXELS = 1 << 20  # of JPEG
_HAS_RESTART_MARKERS = tuple(map(int, PIL.__version__.split(".")[:2])) >= (10, 2)


def save(
    frame: ColorFrame,
    path: str | Path,
    *,
    of: Picture | None = None,
    quality: int = DEFAULT_QUALITY,
    label: bool = True,
    force: bool = False,
    accept_identical: bool = False,
) -> tuple[str, ...]:
    """Write a colored frame to a picture file, whole or not at all.

    Args:
        frame: the colored frame.
        path: the file; its extension chooses the format.
        of: the original picture. The file gets its transparency, metadata and time of the last change.
        quality: quality of JPEG and WebP, 1 to 100.
        label: state in the file's XMP that the colors are computed (IPTC's digital source type).
        force: replace an existing file.
        accept_identical: leave an existing file with the same bytes as it is, also without `force`.

    Returns:
        What the format could not keep, one sentence each.

    Raises:
        UsageError: the extension names no format, the quality is out of range, or the file exists.
        PictureError: the format holds no picture of this size.
        EdgecolorError: the file cannot be written. Nothing is left behind.
    """
    path = Path(path)
    if not accept_identical:
        refuse_existing(path, force)
    data, notes = encode_for(path, frame, of=of, quality=quality, label=label)
    write_bytes(
        path,
        data,
        force=force,
        accept_identical=accept_identical,
        modified_ns=of.modified_ns if of else None,
    )
    return notes


def encode_for(
    path: Path,
    frame: ColorFrame,
    *,
    of: Picture | None = None,
    quality: int = DEFAULT_QUALITY,
    label: bool = True,
) -> tuple[bytes, tuple[str, ...]]:
    """Encode a colored frame in the format of a file's extension. The arguments are those of `save`.

    Returns:
        The bytes of the file, and what the format could not keep.

    Raises:
        UsageError: the extension names no format, or the quality is out of range.
        PictureError: the format holds no picture of this size.
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"quality {quality}: expected 1 to 100")
    form = format_of(path)
    try:
        return encode(frame, form, of=of or Picture(frame.y), quality=quality, label=label)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from None
    except MemoryError as error:
        raise PictureError(f"{path}: not enough memory for this picture") from error
    except Exception as error:  # Pillow raises many types on unusual metadata
        raise PictureError(f"{path}: cannot be written as {form}: {' '.join(str(error).split())}") from error


def refuse_too_large(size: tuple[int, int], form: str) -> None:
    """Raise PictureError if a picture of this width and height is too large for a format."""
    side = {"JPEG": _MAX_JPEG_SIDE, "WEBP": _MAX_WEBP_SIDE}.get(form)
    if side and max(size) > side:
        raise PictureError(
            f"{size[0]} x {size[1]} is too large for {form} (at most {side} pixels per side); "
            "use .png or .tif"
        )


def encode(
    frame: ColorFrame, form: str, *, of: Picture, quality: int = DEFAULT_QUALITY, label: bool = True
) -> tuple[bytes, tuple[str, ...]]:
    """Encode a colored frame as a picture file.

    Args:
        frame: the colored frame.
        form: format, one of the values of WRITTEN_FORMATS.
        of: the original picture. The file gets its transparency and metadata.
        quality: quality of JPEG and WebP, 1 to 100.
        label: state in the file's XMP that the colors are computed (IPTC's digital source type).

    Returns:
        The bytes of the file, and what the format could not keep.

    Raises:
        PictureError: the picture is too large for the format.
    """
    refuse_too_large(frame.y.size, form)
    if form == "TIFF":
        return encode_pages([(frame, of)], label=label)
    of = _labeled(of) if label else of
    if form == "JPEG":
        return _encode_jpeg(frame, of, quality)
    if form == "WEBP":
        return _encode_webp(frame, of, quality)
    return encode_png(_strips(frame, of), frame.y.size, list(_png_chunks(of))), ()


def encode_pages(
    pages: Iterable[tuple[ColorFrame, Picture]], *, label: bool = True
) -> tuple[bytes, tuple[str, ...]]:
    """Encode colored frames as the pages of a TIFF file. One page at a time is in memory.

    Args:
        pages: each colored frame with the original picture, at least one.
        label: state in the file's XMP that the colors are computed (IPTC's digital source type).

    Returns:
        The bytes of the file, and what TIFF could not keep.

    Raises:
        PictureError: the file is larger than 4 GiB.
    """
    writer: TiffWriter | None = None
    notes: dict[str, None] = {}
    for frame, picture in pages:
        of = _labeled(picture) if label else picture
        block = add_to_tiff(of.metadata, of.icc, writer.order if writer else "<")
        writer = writer or TiffWriter(block.order)
        if block.order != writer.order:  # EXIF blocks of frames that are no TIFF pages
            block = add_to_tiff(replace(of.metadata, exif=b""), of.icc, writer.order)
        writer.add_page(_strips(frame, of), frame.y.size, block)
        notes |= dict.fromkeys(_list_texts("TIFF", of.metadata))
    if writer is None:
        raise ValueError("no pages")
    return writer.getvalue(), tuple(notes)


def _labeled(of: Picture) -> Picture:
    """Return a picture whose XMP states that its colors are computed."""
    return replace(of, metadata=replace(of.metadata, xmp=state_computed_colors(of.metadata.xmp)))


def _strips(frame: ColorFrame, of: Picture) -> Iterator[U8 | U16]:
    """Yield RGB or RGBA from top to bottom: 16 bits if the original has them, else 8 bits."""
    width = frame.y.width
    rows = max(1, _STRIP_BYTES // (width * 3))
    strips = frame.rgb_strips(rows) if of.deep is None else frame.deep_rgb_strips(of.deep, rows)
    if of.alpha is None:
        yield from strips
        return
    top = 0
    for strip in strips:
        alpha = np.asarray(of.alpha.crop((0, top, width, top + len(strip))))
        yield np.dstack((strip, alpha if strip.dtype == np.uint8 else alpha.astype(np.uint16) * 257))
        top += len(strip)


def _encode_jpeg(frame: ColorFrame, of: Picture, quality: int) -> tuple[bytes, tuple[str, ...]]:
    # The chroma has 56 x 56 pixels. 4:2:0 loses none of them, and is smaller and faster than 4:4:4.
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:2:0"}
    if of.metadata.dpi:
        options["dpi"] = of.metadata.dpi
    data = _encode_jpeg_pixels(frame, options)
    segments = [icc_segments(of.icc)] if of.icc else []
    notes = []
    for name, block, pack in (
        ("XMP packet", of.metadata.xmp, xmp_segment),
        ("EXIF block", of.metadata.exif, exif_segment),
        ("IPTC block", of.metadata.iptc, iptc_segment),
        ("comment", of.metadata.comment, comment_segment),
    ):
        if block and (segment := pack(block)) is not None:
            segments.append(segment)
        elif block:
            notes.append(f"its {name} is too large for JPEG and was left out")
    if of.alpha is not None:
        notes.append("its transparency was left out: JPEG cannot hold it")
    return insert_segments(data, segments), (*notes, *_list_texts("JPEG", of.metadata))


def _encode_jpeg_pixels(frame: ColorFrame, options: Mapping[str, object]) -> bytes:
    """Encode a frame at once, or a large frame in strips, which need less memory."""
    width, height = frame.y.size
    if width * height <= WHOLE_JPEG_PIXELS or not _HAS_RESTART_MARKERS:
        return _encode_with_pillow(frame.to_ycbcr(), "JPEG", options)
    rows = STRIP_ROWS * max(1, _STRIP_PIXELS // (STRIP_ROWS * width))
    strips = (
        _encode_with_pillow(strip, "JPEG", {**options, "restart_marker_rows": 1})
        for strip in frame.ycbcr_strips(rows)
    )
    return join_strips(strips, height)


def _encode_webp(frame: ColorFrame, of: Picture, quality: int) -> tuple[bytes, tuple[str, ...]]:
    image = frame.to_rgb()
    if of.alpha is not None:
        image.putalpha(of.alpha)
    blocks = {"exif": of.metadata.exif, "icc_profile": of.icc, "xmp": of.metadata.xmp}
    options = {key: block for key, block in blocks.items() if block}
    left_out = {"IPTC block": of.metadata.iptc, "comment": of.metadata.comment}
    notes = [f"its {name} was left out: WebP cannot hold it" for name, block in left_out.items() if block]
    data = _encode_with_pillow(image, "WEBP", {**options, "quality": quality})
    return data, (*notes, *_list_texts("WebP", of.metadata))


def _png_chunks(of: Picture) -> Iterator[bytes]:
    metadata = of.metadata
    if of.icc:
        yield icc_chunk(of.icc)
    if metadata.dpi:
        yield resolution_chunk(metadata.dpi)
    if metadata.exif:
        yield exif_chunk(metadata.exif)
    if metadata.xmp:
        yield xmp_chunk(metadata.xmp)
    if metadata.iptc:
        yield iptc_chunk(metadata.iptc)
    if metadata.comment:
        yield text_chunk("Comment", metadata.comment.decode("utf-8", "replace"))
    for keyword, text in metadata.texts:
        yield text_chunk(keyword, text)


def _list_texts(form: str, metadata: Metadata) -> tuple[str, ...]:
    """Return a note on texts of a PNG file, which other formats cannot hold."""
    keywords = ", ".join(keyword for keyword, _ in metadata.texts)
    return (f"its text ({keywords}) was left out: {form} cannot hold it",) if keywords else ()


def _encode_with_pillow(image: Image.Image, form: str, options: Mapping[str, object]) -> bytes:
    # Into memory first, because Pillow reports a full disk as "encoder error -2".
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
