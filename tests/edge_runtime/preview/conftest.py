"""Fixtures of the preview's tests: a preview that leaves nothing open, and frames to show in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from edgecolor_runtime import Colorizer, ModelFile
from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.preview.server import Preview, PreviewControls

from .preview_client import ask


@pytest.fixture
def live(tiny: ModelFile) -> Colorizer:
    """A colorizer whose saturation a test may set."""
    return Colorizer(tiny, saturation=1.0)


@pytest.fixture
def shot(live: Colorizer, cloud: Image.Image) -> Callable[..., Shot]:
    """Returns the function that makes a shot of the cloud with a saturation."""
    seen = live.prepare(cloud)
    ab = live.predict(seen)

    def make(saturation: float = 1.0) -> Shot:
        live.saturation = saturation
        frame = live.finish(cloud, seen, ab)
        live.saturation = 1.0
        return Shot(0, frame, 0.0)

    return make


@pytest.fixture
def controls(live: Colorizer) -> PreviewControls:
    return PreviewControls(live, lambda: {"frames": 60, "dropped": 1, "fps": 29.5})


def open_files() -> int:
    """Return the number of open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def preview(controls: PreviewControls) -> Iterator[Preview]:
    """A preview that responds after the test, and leaves no thread and no open file when it is closed."""
    threads, files = set(threading.enumerate()), open_files()
    preview = Preview(port=0, controls=controls)
    yield preview
    assert ask(preview, "/statistics").status == 200
    preview.close()
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files
