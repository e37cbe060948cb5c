"""`edgecolor run` on photographs of many kinds: the brightness of the result, its size and the notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecolor.cli import main

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
HEIGHT, WIDTH = 80, 120
GRAY = np.clip(np.add.outer(np.arange(HEIGHT) * 2, np.arange(WIDTH)), 0, 255).astype(np.uint8)
THUMBNAIL = np.full((8, 12), 7, np.uint8)

Write = Callable[[Path], None]


def _tiff(values: NDArray[Any], **options: Any) -> Write:
    def write(path: Path) -> None:
        tifffile = pytest.importorskip("tifffile", reason="scikit-image brings it with the [dev] extra")
        tifffile.imwrite(path, values, photometric="minisblack", metadata=None, **options)

    return write


def _thumbnail_first(below: bool) -> Write:
    def write(path: Path) -> None:
        tifffile = pytest.importorskip("tifffile", reason="scikit-image brings it with the [dev] extra")
        with tifffile.TiffWriter(path) as file:
            options = {"photometric": "minisblack", "metadata": None}
            file.write(THUMBNAIL, subfiletype=1, subifds=1 if below else None, **options)
            file.write(GRAY, subfiletype=0, compression="zlib", **options)

    return write


def _saved(image: Image.Image, **options: Any) -> Write:
    return lambda path: image.save(path, **options)


def _cut(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4, GRAY.shape)
    Image.fromarray((GRAY // 4 * 4 + noise).clip(0, 255).astype(np.uint8)).save(path, quality=95)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 8])


with_outlier = (GRAY / 255).astype(np.float32)
with_outlier[0, 0] = 1.3
IMAGE = Image.fromarray(GRAY)
KINDS: dict[str, tuple[str, Write, str]] = {
    "float with a value above 1": ("a.tif", _tiff(with_outlier), "a few above 1 were clipped"),
    "uint32": ("a.tif", _tiff(GRAY.astype(np.uint32) * 16843009), ""),
    "int16": ("a.tif", _tiff(GRAY.astype(np.int16) * 128 + GRAY // 2), "0 (black) to 32767 (white)"),
    "thumbnail first": ("a.tif", _thumbnail_first(below=False), ""),
    "thumbnail above": ("a.tif", _thumbnail_first(below=True), ""),
    "turned": (
        "a.tif",
        _saved(IMAGE.transpose(Image.Transpose.ROTATE_90), tiffinfo={274: 6}, compression="tiff_lzw"),
        "",
    ),
    "JPEG 2000": ("a.jp2", _saved(IMAGE), ""),
    "AVIF under another name": ("a.jpg", _saved(IMAGE, format="AVIF", quality=100), ""),
    "PDF": ("a.pdf", _saved(IMAGE, quality=100), ""),
    "cut off": ("a.jpg", _cut, "the lower 20 % are missing"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_photograph(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, write, note = KINDS[kind]
    if name == "a.pdf":
        pytest.importorskip("pypdfium2", reason="part of the [dev] extra")
    write(tmp_path / name)
    assert main(["run", "--model", str(MODEL), str(tmp_path / name), "-o", str(tmp_path / "out.png")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if note not in line] == [] and len(lines) == bool(note)
    assert all(line.startswith(f"{tmp_path / name}: ") for line in lines)
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "RGB" or image.mode.startswith("I;16")
        assert image.size == (WIDTH, HEIGHT)
        luma = np.asarray(image.convert("RGB").convert("L"), float)
    difference = np.abs(luma - GRAY)[: HEIGHT * 3 // 4]
    tolerance = {"cut off": 8, "PDF": 3, "AVIF under another name": 3}.get(kind, 1)
    assert difference[1:].max() <= tolerance
