"""The virtual camera, with a stand-in for pyvirtualcam: what is sent, and what is missing."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame, Shot
from edgecolor_runtime.errors import MissingError
from edgecolor_runtime.outputs import virtual_camera
from edgecolor_runtime.outputs.virtual_camera import VirtualCamera, is_virtual_camera


class Camera:
    """What pyvirtualcam offers of a device."""

    made: ClassVar[list[Camera]] = []

    def __init__(self, **options: Any) -> None:
        if options["device"].endswith("real"):
            raise RuntimeError("the device is not a virtual camera")
        self.options, self.frames, self.closed = options, list[NDArray[np.uint8]](), False
        Camera.made.append(self)

    def send(self, frame: NDArray[np.uint8]) -> None:
        self.frames.append(frame.copy())

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pyvirtualcam")
    module.__dict__.update(Camera=Camera, PixelFormat=types.SimpleNamespace(I420="I420"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    Camera.made.clear()


def shot(luma: int, size: tuple[int, int] = (65, 48)) -> Shot:
    gray = Image.new("L", size, luma)
    return Shot(0, ColorFrame(gray, np.full((56, 56, 2), (10, -5), np.float32)), 0.0)


def test_frames_are_sent_as_planes_in_limited_range(library: None, tmp_path: Path) -> None:
    device = tmp_path / "video10"
    device.touch()
    camera = VirtualCamera(device, framerate=30)
    camera.write(shot(100))
    camera.write(shot(255, (130, 96)))
    camera.finish()
    (made,) = Camera.made
    assert made.options == {"width": 64, "height": 48, "fps": 30, "fmt": "I420", "device": str(device)}
    assert made.closed and [frame.size for frame in made.frames] == [64 * 48 * 3 // 2] * 2
    first = made.frames[0]
    assert set(first[: 64 * 48]) == {round(100 * 219 / 255 + 16)}
    assert set(first[64 * 48 : 64 * 48 * 5 // 4]) == {round(10 * 224 / 255 + 128)}
    assert set(made.frames[1][: 64 * 48]) == {235}


def test_what_is_missing_is_named(library: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingError, match=r"no such device\. Make it with: .*modprobe v4l2loopback"):
        VirtualCamera(tmp_path / "video10")
    (tmp_path / "real").touch()
    camera = VirtualCamera(tmp_path / "real")
    with pytest.raises(MissingError, match="cannot be used as a virtual camera: the device is not"):
        camera.write(shot(100))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(MissingError, match=r"needs pyvirtualcam\. Install it with: .*pip install"):
        VirtualCamera(tmp_path / "video10")
    assert virtual_camera.is_virtual_camera("/dev/video10") and not is_virtual_camera("/dev/null")
