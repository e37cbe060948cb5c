"""What the runtime's tests share: a real int8 model with random weights, and pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import Colorizer, ModelFile, read
from edgecolor_runtime.frames import Shot
from edgecolor_runtime.preview import Controls, Preview

from .preview_client import ask

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
    """A gray picture with every tone from black to white, and fine detail."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    detail = rng.integers(-60, 61, (240, 320))
    return Image.fromarray((np.asarray(coarse).astype(int) + detail).clip(0, 255).astype(np.uint8))


@pytest.fixture
def live(tiny: ModelFile) -> Colorizer:
    """One whose saturation a test may set."""
    return Colorizer(tiny, saturation=1.0)


@pytest.fixture
def shot(live: Colorizer, cloud: Image.Image) -> Callable[..., Shot]:
    """Makes a shot of the cloud, at a saturation."""
    seen = live.prepare(cloud)
    ab = live.predict(seen)

    def make(saturation: float = 1.0) -> Shot:
        live.saturation = saturation
        frame = live.finish(cloud, seen, ab)
        live.saturation = 1.0
        return Shot(0, frame, 0.0)

    return make


@pytest.fixture
def controls(live: Colorizer) -> Controls:
    return Controls(live, lambda: {"frames": 60, "dropped": 1, "fps": 29.5})


def open_files() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def preview(controls: Controls) -> Iterator[Preview]:
    """A preview that still answers after the test, and leaves no thread and no open file when it closes."""
    threads, files = set(threading.enumerate()), open_files()
    preview = Preview(port=0, controls=controls)
    yield preview
    assert ask(preview, "/statistics").status == 200
    preview.close()
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files
