"""Formats by the first bytes of a file: those that are not read, or need another package, and what to do.

The name of a file says nothing: web pages, videos and raw files are often named .jpg.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import IO

HEAD_BYTES = 1024
"""Bytes of a file from which its format is recognized."""


@dataclass(frozen=True)
class Format:
    """A format that Pillow alone does not read.

    Attributes:
        name: its name, in the plural.
        package: the package that reads it, or "".
        module: name of the module of this package.
        advice: what else to do.
    """

    name: str
    package: str = ""
    module: str = ""
    advice: str = ""


_CONVERT = "Save it as JPEG, PNG or TIFF with the program that wrote it"
RAW = Format(
    "camera raw files", "rawpy", "rawpy", "Or develop it with the software of its camera, and save it as TIFF"
)
PDF = Format("PDF files", "pypdfium2", "pypdfium2", "Or save its page as TIFF with a PDF viewer")
HEIC = Format("HEIC images", "pillow-heif", "pillow_heif")
JPEG_XL = Format("JPEG XL images", "pillow-jxl-plugin", "pillow_jxl")
AVIF = Format("AVIF images", "pillow>=11.3", "PIL._avif")
POSTSCRIPT = Format("PostScript files", advice="They are programs, which edgecolor never runs")
VIDEO = Format(
    "videos under the name of a picture", advice="Give it the extension of its format, such as .mp4"
)

_DEEP_JPEG = Format(
    "JPEG images with more than 8 bits per sample",
    advice="Save it as TIFF with the program that wrote it",
)
_ZEROS = Format(
    "files that begin with zeros", advice="Its copy was interrupted, or its card is damaged. Copy it again"
)

_JPEG_FRAME = re.compile(
    rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]\0[\x0b\x11\x14]([\x08\x0c\x10])", re.DOTALL
)
_RAW_HEADS = (
    *(b"IIRO", b"IIRS", b"MMOR"),  # Olympus
    b"IIU\0",  # Panasonic
    b"FUJIFILMCCD-RAW",
    b"FOVb",  # Sigma
    b"\0MRM",  # Minolta
)
_CANON_TIFF = re.compile(rb"II\*\0.{4}CR", re.DOTALL)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    b"crx ": RAW,  # Canon
    b"jp2 ": Format("JPEG 2000 images", "pillow", "", "This Pillow was built without JPEG 2000"),
}
"""Brand of an ISO file (`ftyp`) -> its format; all other brands are videos."""
_HEADS: tuple[tuple[bytes, Format], ...] = (
    (b"%!PS", POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", POSTSCRIPT),
    (b"\xff\x0a", JPEG_XL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", JPEG_XL),
    (b"v/1\x01", Format("OpenEXR images", advice=_CONVERT)),
    (b"#?RADIANCE", Format("Radiance HDR images", advice=_CONVERT)),
    (b"#?RGBE", Format("Radiance HDR images", advice=_CONVERT)),
    (b"SIMPLE  =", Format("FITS files", advice="Save its image as 16-bit TIFF")),
    (b"gimp xcf", Format("GIMP files", advice="Export it as PNG or TIFF")),
    (b"AT&TFORM", Format("DjVu files", advice="Save its page as TIFF")),
    (b"II\xbc", Format("JPEG XR images", advice=_CONVERT)),
    (b"\xff\xd8\xff\xf7", Format("JPEG-LS images", advice=_CONVERT)),
    (b"8BPB", Format("large Photoshop files (PSB)", advice="Save it as TIFF")),
    (b"KDF", Format("Kodak Photo CD images", advice=_CONVERT)),
    (b"\xd7\xcd\xc6\x9a", Format("Windows metafiles", advice=_CONVERT)),
    (b"PK\x03\x04", Format("ZIP archives and office documents", advice="Take the pictures out of it")),
    (b"\x1f\x8b", Format("gzip archives", advice="Unpack it first")),
    (b"Rar!", Format("RAR archives", advice="Unpack it first")),
    (b"\x1aE\xdf\xa3", VIDEO),
    (b"OggS", VIDEO),
    (b"FLV", VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", VIDEO),
    (b"\0\0\x01\xba", VIDEO),
)
_PLACES = (
    (8, b"AVI ", VIDEO),
    (128, b"DICM", Format("DICOM files", advice="Export its image as 16-bit TIFF or PNG")),
)
_TEXTS = (
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), Format("SVG drawings", advice="Export it as PNG")),
    (
        re.compile(rb"<!doctype html|<html[\s>]", re.IGNORECASE),
        Format("web pages", advice="Download the picture again; the server sent a page instead"),
    ),
    (re.compile(rb"\A(version https://git-lfs)"), Format("Git LFS pointers", advice="Run: git lfs pull")),
)


def _is_deep_jpeg(head: bytes) -> bool:
    """Return whether a JPEG file has more than 8 bits per sample, which Pillow does not decode."""
    frame = _JPEG_FRAME.search(head) if head.startswith(b"\xff\xd8\xff") else None
    return frame is not None and frame[1] != b"\x08"


def read_head(file: IO[bytes]) -> bytes:
    """Return the first bytes of a file."""
    file.seek(0)
    return file.read(HEAD_BYTES)


def recognize_format(head: bytes) -> Format | None:
    """Return the format of a file by its first bytes; None if it is none of these formats."""
    if head.startswith(_RAW_HEADS) or _CANON_TIFF.match(head):
        return RAW
    if _is_deep_jpeg(head):
        return _DEEP_JPEG
    if not head.strip(b"\0"):
        return _ZEROS
    if b"%PDF-" in head:
        return PDF
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], VIDEO)
    by_head = (form for signature, form in _HEADS if head.startswith(signature))
    by_place = (form for place, signature, form in _PLACES if head[place:].startswith(signature))
    by_text = (form for text, form in _TEXTS if text.search(head))
    return next(chain(by_head, by_place, by_text), None)
