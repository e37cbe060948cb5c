"""Write a colored frame to a picture file, with the metadata and transparency of the original picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, PngImagePlugin

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.images.formats import format_of
from edgecolor_runtime.images.reader import Picture
from edgecolor_runtime.system.files import refuse_existing, write_bytes

DEFAULT_QUALITY = 95  # of JPEG and WebP, 1 to 100

_MAX_JPEG_SEGMENT_BYTES = 65_533 - 29  # of an APP1 segment, after its length and the XMP namespace
_MAX_JPEG_SIDE = 65_500  # pixels
_MAX_WEBP_SIDE = 16_383  # pixels
_TIFF_XMP = 700  # TIFF tag


def save(
    frame: ColorFrame,
    path: str | Path,
    *,
    of: Picture | None = None,
    quality: int = DEFAULT_QUALITY,
    force: bool = False,
    accept_identical: bool = False,
) -> tuple[str, ...]:
    """Write a colored frame to a picture file, whole or not at all.

    Args:
        frame: the colored frame.
        path: the file; its extension chooses the format.
        of: the original picture. The file gets its transparency and metadata.
        quality: quality of JPEG and WebP, 1 to 100.
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
    data, notes = encode_for(path, frame, of=of, quality=quality)
    write_bytes(path, data, force=force, accept_identical=accept_identical)
    return notes


def encode_for(
    path: Path, frame: ColorFrame, *, of: Picture | None = None, quality: int = DEFAULT_QUALITY
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
        return encode(frame, form, of=of or Picture(frame.y), quality=quality)
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
    frame: ColorFrame, form: str, *, of: Picture, quality: int = DEFAULT_QUALITY
) -> tuple[bytes, tuple[str, ...]]:
    """Encode a colored frame as a picture file.

    Args:
        frame: the colored frame.
        form: format, one of the values of WRITTEN_FORMATS.
        of: the original picture. The file gets its transparency and metadata.
        quality: quality of JPEG and WebP, 1 to 100.

    Returns:
        The bytes of the file, and what the format could not keep.

    Raises:
        PictureError: the picture is too large for the format.
    """
    notes: list[str] = []
    refuse_too_large(frame.y.size, form)
    options: dict[str, object] = dict(_metadata_options(of, form))
    if form == "JPEG":
        # The chroma has 56 x 56 pixels. 4:2:0 loses none of them, and is smaller and faster than 4:4:4.
        image = frame.to_ycbcr()
        options |= {"quality": quality, "subsampling": "4:2:0"}
        for key in ("exif", "xmp"):
            block = options.get(key)
            if isinstance(block, bytes) and len(block) > _MAX_JPEG_SEGMENT_BYTES:
                del options[key]
                notes.append(f"its {key.upper()} block is too large for JPEG and was left out")
        if of.alpha is not None:
            notes.append("its transparency was left out: JPEG cannot hold it")
        return _encode_with_pillow(image, form, options), tuple(notes)
    image = frame.to_rgb()
    if of.alpha is not None:
        image.putalpha(of.alpha)
    if form == "TIFF" and not of.exif:  # Pillow's compressing writer cannot write EXIF's inner tables
        options["compression"] = "tiff_adobe_deflate"
    if form == "WEBP":
        options["quality"] = quality
    return _encode_with_pillow(image, form, options), tuple(notes)


def _metadata_options(of: Picture, form: str) -> Mapping[str, object]:
    """Return the options with which Pillow writes the metadata."""
    exif: bytes | Image.Exif = of.exif
    if form == "TIFF" and of.xmp:  # TIFF holds XMP as a tag
        exif = Image.Exif()
        exif.load(of.exif)
        exif[_TIFF_XMP] = of.xmp
    options = {"exif": exif, "icc_profile": of.icc, "dpi": of.dpi, **_xmp_options(form, of.xmp)}
    return {key: value for key, value in options.items() if value}


def _encode_with_pillow(image: Image.Image, form: str, options: Mapping[str, object]) -> bytes:
    # Into memory first, because Pillow reports a full disk as "encoder error -2".
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _xmp_options(form: str, packet: bytes | None) -> Mapping[str, object]:
    if packet is None:
        return {}
    if form == "PNG":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", packet.decode(errors="replace"))
        return {"pnginfo": chunks}
    return {"xmp": packet}
