"""The frame of the benchmarks: a photograph at 1280 x 720."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from edgecolor_runtime.images.formats import open_image

WIDTH, HEIGHT = 1280, 720
PHOTOGRAPH = Path(__file__).parents[1] / "examples" / "photographs" / "kodim23.jpg"


def gray_frame() -> Image.Image:
    """Return a gray frame as a camera gives it, mode L."""
    with open_image(PHOTOGRAPH) as photograph:
        return ImageOps.fit(photograph.convert("L"), (WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def gray_jpeg() -> bytes:
    """Return the frame as a JPEG file, quality 90."""
    out = io.BytesIO()
    gray_frame().save(out, "JPEG", quality=90)
    return out.getvalue()
