"""JPEG from the planes of a frame. simplejpeg and Pillow give the same picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.images import jpeg
from edgecolor_runtime.inference.colorizer import Colorizer

PHOTOGRAPH = Path(__file__).parents[3] / "examples" / "photographs" / "kodim23.jpg"


@pytest.fixture(scope="module")
def frame() -> ColorFrame:
    with Image.open(PHOTOGRAPH) as photograph:
        return Colorizer.shipped().colorize(photograph.convert("L").resize((321, 215)))


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("fast", [True, False])
def test_a_decoded_frame_has_the_colors_of_the_frame(
    frame: ColorFrame, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fast:
        pytest.importorskip("simplejpeg")
    monkeypatch.setattr(jpeg, "HAS_SIMPLEJPEG", fast)
    image = opened(jpeg.encode_jpeg(frame, 95))
    assert (image.size, image.mode) == (frame.y.size, "RGB")
    exact = np.asarray(frame.to_rgb(), float)
    assert np.abs(np.asarray(image, float) - exact).mean() < 3
    assert np.abs(np.asarray(image.convert("L"), float) - np.asarray(frame.y, float)).mean() < 2
    gray = opened(jpeg.encode_gray(frame.y, 95))
    assert (gray.size, gray.mode) == (frame.y.size, "L")
    assert np.abs(np.asarray(gray, float) - np.asarray(frame.y, float)).mean() < 2


@pytest.mark.parametrize("fast", [True, False])
def test_a_higher_quality_gives_a_larger_file(
    frame: ColorFrame, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fast:
        pytest.importorskip("simplejpeg")
    monkeypatch.setattr(jpeg, "HAS_SIMPLEJPEG", fast)
    assert len(jpeg.encode_jpeg(frame, 30)) < len(jpeg.encode_jpeg(frame, 90)) / 2
