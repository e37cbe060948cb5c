"""Picture formats: which are read, which are written, and the one function that opens a picture file."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.system.commands import pip_install

WRITTEN_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""Extension in lower case -> Pillow's name of the format, for the formats that hold colors and metadata."""

PICTURE_SUFFIXES = frozenset(
    (
        *WRITTEN_FORMATS,
        *(".mpo", ".apng", ".gif", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".pcx", ".tga"),
        *(".sgi", ".psd", ".ico", ".icns", ".dds", ".jp2", ".j2k", ".jpx", ".avif", ".heic", ".heif"),
    )
)
"""Extensions of pictures in lower case. A picture that Pillow cannot open is reported, not skipped."""

_COMMON_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "PPM")  # Pillow has them without loading its plugins
READ_FORMATS = (
    *_COMMON_FORMATS,
    *("TIFF", "WEBP", "AVIF", "HEIF", "JPEG2000", "PSD", "DDS", "ICNS", "ICO", "SGI", "PCX", "TGA"),
)
"""Pillow's names of the formats that are read. The content of a file decides its format, not its name.

Every other format is refused. Pillow passes PostScript (EPS) to Ghostscript, which executes it as a program.
"""


_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_HEIC_PACKAGE = "pillow-heif"


def open_image(file: Path | IO[bytes]) -> Image.Image:
    """Open a picture file in one of the formats that are read; its pixels are decoded later.

    Every file from outside is opened here, because `Image.open` without formats executes PostScript.

    Raises:
        UnidentifiedImageError: the file has none of these formats.
        PictureError: the file is a HEIC picture, and the package that reads it is not installed.
        OSError: the file cannot be read.
        Exception: Pillow raises any class of exception on a damaged file.
    """
    try:
        return Image.open(file, formats=_COMMON_FORMATS)
    except UnidentifiedImageError:
        Image.init()  # loads the plugins; plugins of older versions of Pillow are fewer
        _register_heif()
        try:
            return Image.open(file, formats=[name for name in READ_FORMATS if name in Image.OPEN])
        except UnidentifiedImageError:
            if "HEIF" not in Image.OPEN and _is_heic(file):
                raise PictureError(
                    f"HEIC images need the {_HEIC_PACKAGE} package. "
                    f"Install it with: {pip_install(_HEIC_PACKAGE)}"
                ) from None
            raise


def _register_heif() -> None:
    """Make Pillow read HEIC, if the package for this is installed."""
    if "HEIF" not in Image.OPEN and importlib.util.find_spec("pillow_heif") is not None:
        importlib.import_module("pillow_heif").register_heif_opener()


def _is_heic(file: Path | IO[bytes]) -> bool:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            head = opened.read(12)
    else:
        file.seek(0)
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS


def is_picture(path: Path) -> bool:
    """Return whether a file has the extension of a picture and is not hidden. The file is not opened."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def format_of(path: Path) -> str:
    """Return Pillow's name of the format in which a file of this name is written.

    Raises:
        UsageError: the extension belongs to no format that is written.
    """
    try:
        return WRITTEN_FORMATS[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path}: cannot write {path.suffix or 'a file without extension'}; "
            f"use {', '.join(WRITTEN_FORMATS)}"
        ) from None
