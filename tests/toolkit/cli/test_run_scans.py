"""`edgecolor run` on scans: compressed TIFF, large pictures, the label of the result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor.demo.coloring import ColoredFile, PhotoFile, SharedColorizer, zip_results
from edgecolor_runtime.images.reader import estimate_memory, open_picture, parse_picture
from edgecolor_runtime.models.model_file import read

MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
BASE_BYTES = 300 << 20  # of the interpreter, numpy and Python

PROGRAM = """
import sys
from edgecolor.cli import main
from edgecolor_runtime.system.machine import read_peak_memory
assert main(["run", *sys.argv[1:]]) == 0
print(read_peak_memory())
"""
"""Colors a photograph, and prints the peak of its memory in bytes."""


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A compressed scan with a resolution, which Pillow's own writer cannot write again."""
    gray = np.random.default_rng(3).integers(0, 256, (9, 12), dtype=np.uint8)
    image = Image.fromarray(gray).resize((240, 180), Image.Resampling.BICUBIC)
    image.save(tmp_path / "scan.tif", compression="tiff_lzw", dpi=(600, 600), software="VueScan")
    return tmp_path / "scan.tif"


def run(*arguments: object) -> int:
    return main(["run", "--model", str(MODEL), *map(str, arguments)])


def test_a_compressed_scan(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scan) == 0
    result = scan.with_name("scan.color.tif")
    assert capsys.readouterr() == (f"{result}\n", "")
    with Image.open(result) as image:
        assert (image.mode, image.size, image.info["compression"]) == (
            "RGB",
            (240, 180),
            "tiff_adobe_deflate",
        )
        assert image.info["dpi"] == (600, 600) and image.getexif()[305] == "VueScan"


def test_the_demo_writes_the_same_file(scan: Path) -> None:
    assert run(scan) == 0
    expected = scan.with_name("scan.color.tif").read_bytes()
    colorizer = SharedColorizer(read(MODEL))
    file = ColoredFile("scan.tif", parse_picture(scan.read_bytes(), "scan.tif"))
    gray = file.picture.gray
    assert (
        file.encode(colorizer.finish(gray, colorizer.predict(gray), read(MODEL).info.saturation)) == expected
    )
    photo = PhotoFile("scan.tif", scan.read_bytes())
    assert zip_results([photo], colorizer, 1.0, max_bytes=1 << 20)


def test_max_pixels(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scan, "--max-pixels", 43_199) == 1
    assert capsys.readouterr().err == (
        f"edgecolor: {scan}: 240 x 180 are 43,200 pixels; at most 43,199 are allowed. "
        "Scale the picture down first\n"
    )
    assert run(scan, "--max-pixels", 43_200) == 0


def test_the_label_can_be_left_out(scan: Path) -> None:
    assert run(scan, "--no-label") == 0
    assert open_picture(scan.with_name("scan.color.tif")).metadata.xmp is None
    assert run(scan, "--force") == 0
    assert b"DigitalSourceType" in (open_picture(scan.with_name("scan.color.tif")).metadata.xmp or b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mode", "size", "options"),
    [
        ("map.tif", "1", (12_000, 8_000), {"compression": "group4"}),
        ("scan.tif", "L", (9_000, 8_000), {"compression": "tiff_lzw", "dpi": (1200, 1200)}),
        ("scan.jpg", "L", (9_000, 8_000), {}),
        ("scan.png", "RGB", (9_000, 8_000), {"compress_level": 1}),
    ],
)
def test_a_large_picture_needs_the_memory_that_is_estimated(
    tmp_path: Path, name: str, mode: str, size: tuple[int, int], options: dict[str, Any]
) -> None:
    tones = Image.fromarray(np.random.default_rng(3).integers(0, 256, (30, 40), dtype=np.uint8))
    tones.resize(size, Image.Resampling.BILINEAR).convert(mode).save(tmp_path / name, **options)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--model", str(MODEL), "--quiet", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    estimate = estimate_memory(tmp_path / name)
    assert size[0] * size[1] < estimate < 8 * size[0] * size[1]
    assert int(done.stdout.split()[-1]) < estimate + BASE_BYTES
    assert open_picture((tmp_path / name).with_stem(Path(name).stem + ".color")).gray.size == size
