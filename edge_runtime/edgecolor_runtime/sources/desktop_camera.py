"""Cameras of Windows and macOS, through FFmpeg's devices dshow and avfoundation."""

from __future__ import annotations

import errno
import sys
import time
from typing import Any

from edgecolor_runtime.errors import CameraError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.media.gray_levels import GrayLevels
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.video import Stream
from edgecolor_runtime.system.commands import pip_install

DEVICES = {"win32": "dshow", "darwin": "avfoundation"}
"""sys.platform -> name of FFmpeg's device for cameras."""

PRIVACY_SETTINGS = {
    "win32": "Settings > Privacy & security > Camera: allow desktop apps",
    "darwin": "System Settings > Privacy & Security > Camera: allow the terminal",
}
"""sys.platform -> where a user permits programs to use the camera."""

_MAC_FRAMERATE = 30.0  # avfoundation's own default, 29.97, is refused by many cameras of Macs
_NON_BLOCK = 4  # AVFMT_FLAG_NONBLOCK: dshow would wait for a frame in a call that nothing can interrupt
_WAIT_SECONDS = 0.005  # between two attempts to read a frame


def list_desktop_cameras() -> list[tuple[str, str]]:
    """Return name and path of each camera, such as ("FaceTime HD Camera", "avfoundation:0").

    Raises:
        MissingError: PyAV is not installed.
        CameraError: this PyAV cannot list cameras.
    """
    av, device = pyav.load(), DEVICES[sys.platform]
    if not hasattr(av, "enumerate_input_devices"):
        raise CameraError(
            f"PyAV {av.__version__} cannot list cameras. Upgrade it: {pip_install('--upgrade', 'av')}"
        )
    try:
        entries = av.enumerate_input_devices(device)
    except ValueError:
        raise CameraError(f"this PyAV was built without {device}: it cannot read cameras") from None
    except av.error.FFmpegError:
        return []  # dshow reports a machine without cameras as an error
    return [
        (entry.description or entry.name, f"{device}:{'video=' if device == 'dshow' else ''}{entry.name}")
        for entry in entries
        if "audio" not in entry.media_types and not entry.description.startswith("Capture screen")
    ]


class DesktopCamera(Stream):
    """A camera of Windows or macOS. `Frame.seconds` is when a frame was decoded.

    Args:
        path: path in `list_desktop_cameras`: FFmpeg's device, a colon, and FFmpeg's name of the camera.
        size: width and height to ask for in pixels.
        framerate: frames per second to ask for.
        stall_seconds: the camera counts as gone if there is no data for this long.
        levels: which samples of deep gray become black and white; None: they follow the pictures.

    Raises:
        MissingError: PyAV is not installed.
        CameraError: there is no such camera, it is in use, or it refuses the settings.
    """

    def __init__(
        self,
        path: str,
        *,
        size: tuple[int, int],
        framerate: float | None,
        stall_seconds: float,
        levels: GrayLevels | None = None,
    ) -> None:
        device, _, address = path.partition(":")
        if device == "avfoundation":
            framerate = framerate or _MAC_FRAMERATE
        options = {"video_size": f"{size[0]}x{size[1]}"}
        if framerate:
            options["framerate"] = f"{framerate:g}"
        super().__init__(
            address, stall_seconds=stall_seconds, input_format=device, options=options, levels=levels
        )
        self._container.flags |= _NON_BLOCK
        self._stall_seconds, self._last_frame = stall_seconds, time.monotonic()

    def _step(self) -> Frame | None:
        frame = super()._step()
        if frame is not None:
            self._last_frame = time.monotonic()
        elif time.monotonic() - self._last_frame > self._stall_seconds:
            raise CameraError(f"{self.name}: no data from it any more, or none at all")
        elif not self._decoded:
            time.sleep(_WAIT_SECONDS)
        return frame

    def _reason(self, address: str, error: Any) -> str:
        if error.errno == errno.EIO:
            return (
                "the camera does not open. End other programs that use it, and check the right to use it "
                f"({PRIVACY_SETTINGS[sys.platform]}). Other sizes: --width and --height."
            )
        return super()._reason(address, error)
