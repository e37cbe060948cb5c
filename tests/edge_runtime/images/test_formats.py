"""Picture formats by extension."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.images.formats import PICTURE_SUFFIXES, WRITTEN_FORMATS, format_of, is_picture


def test_every_written_format_is_read() -> None:
    assert set(WRITTEN_FORMATS) < PICTURE_SUFFIXES


def test_extensions_are_those_of_pillow() -> None:
    """HEIC, HEIF and AVIF are listed, too: a Pillow without them reports such a file as failed."""
    Image.init()
    assert PICTURE_SUFFIXES - set(Image.EXTENSION) <= {".heic", ".heif", ".avif"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", True),
        ("b.HEIC", True),
        ("folder/c.jfif", True),
        (".d.jpg", False),
        ("e.txt", False),
        ("jpg", False),
    ],
)
def test_is_picture(name: str, expected: bool) -> None:
    assert is_picture(Path(name)) == expected


def test_format_of() -> None:
    assert format_of(Path("a.JPE")) == "JPEG"
    with pytest.raises(UsageError, match=r"a\.gif: cannot write \.gif; use \.jpg"):
        format_of(Path("a.gif"))
    with pytest.raises(UsageError, match="a file without extension"):
        format_of(Path("a"))
