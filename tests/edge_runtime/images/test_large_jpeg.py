"""A large JPEG is encoded in strips. Its pixels are those of the JPEG that is encoded at once."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.images import writer
from edgecolor_runtime.images.picture import Picture


@pytest.mark.parametrize("size", [(333, 211), (64, 128), (17, 129), (500, 1025), (40, 256)])
def test_strips_decode_to_the_same_pixels(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    luma = Image.fromarray(random.integers(0, 256, size[::-1], dtype=np.uint8))
    frame = ColorFrame(luma, random.normal(0, 40, (56, 56, 2)).astype(np.float32))
    whole, _ = writer.encode(frame, "JPEG", of=Picture(luma))
    monkeypatch.setattr(writer, "WHOLE_JPEG_PIXELS", 0)
    monkeypatch.setattr(writer, "_STRIP_PIXELS", 300 * 128)
    strips, _ = writer.encode(frame, "JPEG", of=Picture(luma))
    with Image.open(io.BytesIO(whole)) as expected, Image.open(io.BytesIO(strips)) as joined:
        assert joined.size == size
        np.testing.assert_array_equal(np.asarray(joined), np.asarray(expected))
    if shutil.which("djpeg"):
        done = subprocess.run(["djpeg", "-strict"], input=strips, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
