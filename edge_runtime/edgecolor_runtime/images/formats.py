"""Picture formats by file extension: which are read, and which are written."""

from __future__ import annotations

from pathlib import Path

from edgecolor_runtime.errors import UsageError

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
