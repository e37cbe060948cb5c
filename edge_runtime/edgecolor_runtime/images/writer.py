"""A color frame to a file: all of it or nothing, and over a file that is there already only when told to."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.images.formats import format_of
from edgecolor_runtime.images.reader import Picture
from edgecolor_runtime.system.files import refuse_existing, write_bytes

QUALITY = 95  # of JPEG and WebP

_JPEG_SEGMENT = 65_533 - 29  # bytes of one APP1 segment behind its length and the XMP namespace
_JPEG_SIDE = 65_500
_WEBP_SIDE = 16_383
_XMP_TAG = 700  # in TIFF


def save(
    frame: ColorFrame,
    path: str | Path,
    *,
    of: Picture | None = None,
    quality: int = QUALITY,
    force: bool = False,
    accept_identical: bool = False,
) -> tuple[str, ...]:
    """Write a frame, with what must survive of the picture that it came from.

    Args:
        frame: The colored frame.
        path: Where to; the extension chooses the format.
        of: The picture whose alpha and metadata the file gets.
        quality: Of JPEG and WebP, 1 to 100.
        force: Replace a file that is there already.
        accept_identical: Leave an existing file with the same bytes as it is, also without `force`.

    Returns:
        What could not be kept, one sentence each.

    Raises:
        UsageError: The extension names no format, the quality is out of range, or the file exists.
        PictureError: The format holds no picture of this size.
        EdgecolorError: The file cannot be written. Nothing is left behind.
    """
    path = Path(path)
    if not 1 <= quality <= 100:
        raise UsageError(f"quality {quality}: expected 1 to 100")
    form = format_of(path)
    if not accept_identical:
        refuse_existing(path, force)
    try:
        data, notes = encode(frame, form, of=of or Picture(frame.y), quality=quality)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from None
    except MemoryError as error:
        raise PictureError(f"{path}: not enough memory for it") from error
    except Exception as error:  # Pillow raises anything over odd metadata
        raise PictureError(f"{path}: cannot be written as {form}: {' '.join(str(error).split())}") from error
    write_bytes(path, data, force=force, accept_identical=accept_identical)
    return notes


def refuse_too_large(size: tuple[int, int], form: str) -> None:
    """Raise PictureError if a format holds no picture of this width and height."""
    side = {"JPEG": _JPEG_SIDE, "WEBP": _WEBP_SIDE}.get(form)
    if side and max(size) > side:
        raise PictureError(
            f"{size[0]} x {size[1]} is too large for {form} (at most {side} a side); use .png or .tif"
        )


def encode(
    frame: ColorFrame, form: str, *, of: Picture, quality: int = QUALITY
) -> tuple[bytes, tuple[str, ...]]:
    """Encode a frame with the metadata of a picture.

    Args:
        frame: The colored frame.
        form: One of the values of WRITTEN_FORMATS.
        of: The picture whose alpha and metadata it gets.
        quality: Of JPEG and WebP, 1 to 100.

    Returns:
        The file's bytes, and what could not be kept.

    Raises:
        PictureError: The format holds no picture of this size.
    """
    notes: list[str] = []
    refuse_too_large(frame.y.size, form)
    options = {"format": form, **_metadata(of, form)}
    if form == "JPEG":
        # Chroma comes from 56 x 56 pixels: 4:2:0 loses nothing of it, and is smaller and faster than 4:4:4.
        image = frame.to_ycbcr()
        options |= {"quality": quality, "subsampling": "4:2:0"}
        for key in ("exif", "xmp"):
            if len(options.get(key, b"")) > _JPEG_SEGMENT:
                del options[key]
                notes.append(f"its {key.upper()} block is too large for JPEG, and was left out")
        if of.alpha is not None:
            notes.append("JPEG holds no transparency; it was left out")
        return _encoded(image, options), tuple(notes)
    image = frame.to_rgb()
    if of.alpha is not None:
        image.putalpha(of.alpha)
    if form == "TIFF" and not of.exif:  # Pillow's compressing writer cannot hold EXIF's inner tables
        options["compression"] = "tiff_adobe_deflate"
    if form == "WEBP":
        options["quality"] = quality
    return _encoded(image, options), tuple(notes)


def _metadata(of: Picture, form: str) -> dict[str, Any]:
    exif: bytes | Image.Exif = of.exif
    if form == "TIFF" and of.xmp:  # where it is one more tag
        exif = Image.Exif()
        exif.load(of.exif)
        exif[_XMP_TAG] = of.xmp
    options = {"exif": exif, "icc_profile": of.icc, "dpi": of.dpi, **_xmp(form, of.xmp)}
    return {key: value for key, value in options.items() if value}


def _encoded(image: Image.Image, options: dict[str, Any]) -> bytes:
    # Into memory first: Pillow reports a full disk as "encoder error -2".
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def _xmp(form: str, packet: bytes | None) -> dict[str, Any]:
    if packet is None:
        return {}
    if form == "PNG":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", packet.decode(errors="replace"))
        return {"pnginfo": chunks}
    return {"xmp": packet}
