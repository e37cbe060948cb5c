"""Picture formats by extension."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest
from PIL import Image

from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.images.formats import (
    PICTURE_SUFFIXES,
    WRITTEN_FORMATS,
    format_of,
    is_picture,
    open_image,
)
from edgecolor_runtime.images.reader import open_picture, parse_picture
from edgecolor_runtime.system.commands import pip_install

HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_every_written_format_is_read() -> None:
    assert set(WRITTEN_FORMATS) < PICTURE_SUFFIXES


def test_extensions_are_those_of_pillow() -> None:
    """Formats of other packages are listed, too: without the package such a file is reported as failed."""
    Image.init()
    assert PICTURE_SUFFIXES - set(Image.EXTENSION) <= {".heic", ".heif", ".avif", ".jxl"}


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


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow as it is without pillow-heif, also after the test."""
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {name: way for name, way in Image.OPEN.items() if name != "HEIF"})
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pillow_heif" else find_spec(name)
    )


@pytest.mark.usefixtures("without_heif")
@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_heic_without_its_package_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brand: bytes
) -> None:
    data = HEIC_HEAD.replace(b"ftypheic", b"ftyp" + brand) + bytes(100)
    (tmp_path / "phone.heic").write_bytes(data)
    sentence = f"HEIC images need the pillow-heif package. Install it with: {pip_install('pillow-heif')}"
    with pytest.raises(PictureError) as caught:
        open_picture(tmp_path / "phone.heic")
    assert str(caught.value) == f"{tmp_path / 'phone.heic'}: {sentence}"
    with pytest.raises(PictureError) as caught:
        parse_picture(data, "phone.heic")
    assert str(caught.value) == f"phone.heic: {sentence}"


@pytest.mark.usefixtures("without_heif")
def test_a_heic_picture_is_read_by_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for pillow-heif: a plugin that makes one gray picture of any HEIC file."""

    def read(file: IO[bytes], name: object) -> Image.Image:
        file.close()
        return Image.new("L", (40, 30), 99)

    def register_heif_opener() -> None:
        Image.register_open("HEIF", read, lambda head: head[4:12] == b"ftypheic")  # type: ignore[arg-type]

    module = ModuleType("pillow_heif")
    module.register_heif_opener = register_heif_opener  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: module)
    (tmp_path / "phone.heic").write_bytes(HEIC_HEAD)
    with open_image(tmp_path / "phone.heic") as image:
        assert image.size == (40, 30)


def test_a_real_heic_picture(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="no pillow-heif here")
    pillow_heif.register_heif_opener()
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "phone.heic")
    assert open_picture(tmp_path / "phone.heic").gray.size == (256, 256)
