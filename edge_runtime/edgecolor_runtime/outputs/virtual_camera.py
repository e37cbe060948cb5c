"""Show colored frames as a camera of this machine, which any program can open: OBS, a browser, a video call.

On Linux the device is made by v4l2loopback. The library pyvirtualcam writes to it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import MissingError
from edgecolor_runtime.outputs.encoder import limited_planes
from edgecolor_runtime.system.commands import pip_install

_DEVICE = re.compile(r"/dev/video\d+")
_LOOPBACK = "sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback exclusive_caps=1 video_nr="


def is_virtual_camera(output: str | Path) -> bool:
    """Return whether an output is a video device, such as /dev/video10."""
    return _DEVICE.fullmatch(str(output)) is not None


class VirtualCamera:
    """Writes colored frames to a video device.

    Args:
        device: path of the device, such as /dev/video10.
        framerate: frames per second that the device announces.

    Attributes:
        path: path of the device.
        notes: what the user should know, one sentence each.

    Raises:
        MissingError: pyvirtualcam is not installed, or there is no such device.
    """

    def __init__(self, device: str | Path, *, framerate: float = 25.0) -> None:
        self.path = str(device)
        self.notes: list[str] = []
        try:
            import pyvirtualcam
        except ImportError as error:
            hint = pip_install("pyvirtualcam")
            raise MissingError(
                f"a virtual camera needs pyvirtualcam. Install it with: {hint} [{error}]"
            ) from error
        if not Path(self.path).exists():
            number = self.path.removeprefix("/dev/video")
            raise MissingError(f"{self.path}: no such device. Make it with: {_LOOPBACK}{number}")
        self._library = pyvirtualcam
        self._framerate = framerate
        self._camera: Any = None
        self._size = (0, 0)

    def write(self, shot: Shot) -> None:
        """Show a frame. A frame of another size than the first is scaled to that size.

        Raises:
            MissingError: the device cannot be opened.
        """
        if self._camera is None:
            self._open(shot.frame.y.size)
        planes = limited_planes(shot.frame, self._size)
        self._camera.send(np.concatenate([plane.reshape(-1) for plane in planes]))

    def finish(self, *, whole: bool = True) -> None:
        """Close the device.

        Args:
            whole: has no effect, because the device has no audio.
        """
        self.discard()

    def discard(self) -> None:
        """Close the device. May be called twice."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _open(self, size: tuple[int, int]) -> None:
        width, height = size
        self._size = width & ~1, height & ~1  # 4:2:0 needs even sides
        try:
            self._camera = self._library.Camera(
                width=self._size[0],
                height=self._size[1],
                fps=self._framerate,
                fmt=self._library.PixelFormat.I420,
                device=self.path,
            )
        except (RuntimeError, OSError) as error:
            raise MissingError(
                f"{self.path}: cannot be used as a virtual camera: {error}. A camera cannot be written to; "
                f"make a device with: {_LOOPBACK}10"
            ) from error
