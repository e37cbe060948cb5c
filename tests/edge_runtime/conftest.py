"""Shared by the runtime's tests: a real int8 model with random weights, and a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import Colorizer, ModelFile, read

TINY = Path(__file__).parent / "data" / "tiny-int8.tflite"


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    return TINY


@pytest.fixture(scope="session")
def tiny(tiny_path: Path) -> ModelFile:
    return read(tiny_path)


@pytest.fixture(scope="session")
def colorizer(tiny: ModelFile) -> Colorizer:
    return Colorizer(tiny)


@pytest.fixture(scope="session")
def cloud() -> Image.Image:
    """A gray picture with all tones from black to white and fine detail."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    detail = rng.integers(-60, 61, (240, 320))
    return Image.fromarray((np.asarray(coarse).astype(int) + detail).clip(0, 255).astype(np.uint8))
