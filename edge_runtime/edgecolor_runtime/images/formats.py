"""Picture formats: which are read, which are written, and the one function that opens a picture file."""

from __future__ import annotations

import importlib
import importlib.util
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.file_formats.signatures import Format, read_head, recognize_format
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
        *(
            ".sgi",
            ".psd",
            ".ico",
            ".icns",
            ".dds",
            ".jp2",
            ".j2k",
            ".jpx",
            ".jpf",
            ".j2c",
            ".jpc",
            ".avif",
            ".heic",
            ".heif",
            ".jxl",
        ),
    )
)
"""Extensions of pictures in lower case. A picture that Pillow cannot open is reported, not skipped."""

_COMMON_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "PPM")  # Pillow has them without loading its plugins
READ_FORMATS = (
    *_COMMON_FORMATS,
    *("TIFF", "WEBP", "AVIF", "HEIF", "JXL", "JPEG2000", "PSD", "DDS", "ICNS", "ICO", "SGI", "PCX", "TGA"),
)
"""Pillow's names of the formats that are read. The content of a file decides its format, not its name.

Every other format is refused. Pillow passes PostScript (EPS) to Ghostscript, which executes it as a program.
"""


_PILLOW_LIMIT = threading.Lock()  # the limit belongs to the process; one thread at a time changes it
_PLUGINS = {"pillow_heif": "HEIF", "pillow_jxl": "JXL"}
"""Module of a package -> Pillow's name of the format that it adds."""


def open_image(file: Path | IO[bytes]) -> Image.Image:
    """Open a picture file in one of the formats that are read; its pixels are decoded later.

    Every file from outside is opened here, because `Image.open` without formats executes PostScript. The size
    is not limited here.

    Raises:
        UnidentifiedImageError: the file has no format that is known.
        PictureError: the file has a known format that is not read, or whose package is not installed.
        OSError: the file cannot be read.
        Exception: Pillow raises any class of exception on a damaged file.
    """
    try:
        with pictures_of_any_size():
            return Image.open(file, formats=_COMMON_FORMATS)
    except UnidentifiedImageError:
        Image.init()  # loads the plugins; plugins of older versions of Pillow are fewer
        form = _recognize(file)
        if form is not None and form.module in _PLUGINS and importlib.util.find_spec(form.module):
            _register(form.module)
        try:
            with pictures_of_any_size():
                return Image.open(file, formats=[name for name in READ_FORMATS if name in Image.OPEN])
        except UnidentifiedImageError:
            if form is not None:
                raise PictureError(_explain(form)) from None
            raise


@contextmanager
def pictures_of_any_size() -> Iterator[None]:
    """Let Pillow open files of any size within this context."""
    with _PILLOW_LIMIT:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def require_package(form: Format) -> None:
    """Raise PictureError if the package that reads a format is not installed; it says how to install it."""
    if importlib.util.find_spec(form.module) is None:
        raise PictureError(_explain(form))


def _explain(form: Format) -> str:
    """Return why a format is not read, and what to do."""
    if form.package:
        install = pip_install(form.package)
        reason = f"{form.name} need the {form.package} package. Install it with: {install}"
    else:
        reason = f"{form.name} are not read"
    return ". ".join(filter(None, (reason, form.advice)))


def _recognize(file: Path | IO[bytes]) -> Format | None:
    if not isinstance(file, Path):
        return recognize_format(read_head(file))
    with file.open("rb") as opened:
        return recognize_format(read_head(opened))


def _register(module: str) -> None:
    """Make Pillow read the format of a package."""
    if _PLUGINS[module] not in Image.OPEN:
        plugin = importlib.import_module(module)  # pillow_jxl registers itself
        if module == "pillow_heif":
            plugin.register_heif_opener()


def is_picture(path: Path) -> bool:
    """Return whether a file has the extension of a picture and is not hidden. The file is not opened."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def is_picture_file(path: Path) -> bool:
    """Return whether a file is a picture: by its extension, or without one by its content."""
    if path.suffix:
        return is_picture(path)
    if path.name.startswith(".") or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            form = recognize_format(read_head(file))
            if form is not None:
                return bool(form.package)  # opening the picture names a package that is missing
            with open_image(file):
                return True
    except Exception:  # Pillow raises any class of exception on a file that is no picture
        return False


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


_SAME_FORMAT = {"MPO": "JPEG"}  # a phone's JPEG with further views behind it


def find_format(data: bytes) -> str | None:
    """Return Pillow's name of the format of a picture file, from its content; None if there is none."""
    try:
        with open_image(io.BytesIO(data)) as image:
            return _SAME_FORMAT.get(str(image.format), image.format)
    except Exception:  # Pillow raises any class of exception on a damaged file
        return None
