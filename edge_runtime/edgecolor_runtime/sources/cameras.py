"""The cameras of this machine, and which one a name means."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgecolor_runtime.errors import CameraError, UsageError
from edgecolor_runtime.media.gray_levels import GrayLevels
from edgecolor_runtime.sources import latest, picamera, v4l2
from edgecolor_runtime.sources.address import hide_secrets, is_address
from edgecolor_runtime.sources.desktop_camera import (
    DEVICES,
    PRIVACY_SETTINGS,
    DesktopCamera,
    list_desktop_cameras,
)
from edgecolor_runtime.sources.orientation import UPRIGHT, Orientation
from edgecolor_runtime.sources.picture_sequence import PictureSequence, is_pattern
from edgecolor_runtime.sources.playback import Playback
from edgecolor_runtime.sources.stepwise import StepwiseSource
from edgecolor_runtime.sources.video import Stream, V4l2Camera, VideoFile

DEFAULT_SIZE = (640, 480)
"""Width and height of a camera's frames in pixels, if none are requested."""

_STALL_FRAMES = 3  # a slow camera that misses so many frames counts as gone
_SEE_LIST = "`edgecolor run --list-cameras` lists the cameras of this machine"
_PI_PREFIX = "picamera2:"
_DESKTOP_PREFIXES = tuple(f"{device}:" for device in DEVICES.values())


@dataclass(frozen=True)
class CameraInfo:
    """A camera of this machine.

    Attributes:
        name: the name of its model.
        path: the device file; "picamera2:N" for a Pi camera; "dshow:video=NAME" or "avfoundation:N" for a
            camera of Windows or macOS.
        formats: pixel formats with their sizes, such as "YUYV 640x480 1280x720"; empty if they are unknown.
    """

    name: str
    path: str
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class CameraRequest:
    """What a camera is asked for. A driver may choose the nearest that it supports.

    Attributes:
        width: width in pixels; None: 640, or the width of the recording or stream.
        height: height in pixels; None: 480, or the height of the recording or stream.
        framerate: frames per second; None: chosen by the source.
        orientation: how the frames are rotated and mirrored.
        levels: which samples of deep gray become black and white. They outlast a lost connection.
        stall_seconds: a camera that gives no frame for this long counts as gone; None:
            `latest.STALL_SECONDS`, or the time of three frames at `framerate` if that is longer.
    """

    width: int | None = None
    height: int | None = None
    framerate: float | None = None
    orientation: Orientation = UPRIGHT
    levels: GrayLevels = field(default_factory=GrayLevels)
    stall_seconds: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height to ask a camera for."""
        return self.width or DEFAULT_SIZE[0], self.height or DEFAULT_SIZE[1]

    @property
    def patience(self) -> float:
        """Time in seconds after which a camera without a frame counts as gone."""
        if self.stall_seconds is not None:
            return self.stall_seconds
        slow = _STALL_FRAMES / self.framerate if self.framerate else 0.0
        return max(latest.STALL_SECONDS, slow)


@dataclass(frozen=True)
class Camera:
    """A camera that was chosen and is not open yet.

    Attributes:
        name: its name in messages.
        open: opens it.
        orientation: how the reader has to rotate and mirror the frames. The camera does the rest.
        stall_seconds: the camera counts as gone if it gives no frame for this long. A recording never does.
    """

    name: str
    open: Callable[[], StepwiseSource]
    orientation: Orientation
    stall_seconds: float = math.inf


def describe_no_camera() -> str:
    """Return the message that this machine has no camera, with what to check on this system."""
    if sys.platform in DEVICES:
        return (
            f"no camera found. Connect one, and check the right to use it ({PRIVACY_SETTINGS[sys.platform]})."
        )
    if picamera.is_available():
        pi_camera = "check its cable, and that `rpicam-hello --list-cameras` shows it."
    else:
        pi_camera = (
            f"it needs picamera2, which the Python environment {sys.prefix} does not have; "
            "`edgecolor doctor` prints the fix."
        )
    usb_camera = "check that there is a /dev/video0."
    return f"no camera found. A Raspberry Pi camera: {pi_camera} A USB camera: {usb_camera}"


def list_cameras() -> list[CameraInfo]:
    """Return the cameras of this machine. The position in the list is the index of a camera.

    On Linux, Raspberry Pi cameras come before V4L2 cameras.

    Raises:
        MissingError: on Windows and macOS, PyAV is not installed.
        CameraError: on Windows and macOS, this PyAV cannot list cameras.
    """
    if sys.platform in DEVICES:
        return [CameraInfo(name, path) for name, path in list_desktop_cameras()]
    pi_cameras = picamera.list_pi_cameras() if picamera.is_available() else []
    return [
        *(CameraInfo(model, f"{_PI_PREFIX}{number}") for number, model in pi_cameras),
        *(CameraInfo(device.name, device.path, device.formats) for device in v4l2.list_devices()),
    ]


def open_camera(
    name: str | None = None,
    *,
    width: int | None = None,
    height: int | None = None,
    framerate: float | None = None,
) -> StepwiseSource:
    """Open a camera and return the source of its gray frames.

    Use the source as a context manager and iterate over it:

        with open_camera("/dev/video0", width=1280, height=720) as camera:
            for frame in camera:
                color_frame = colorizer.colorize(frame.gray)

    A loop that is slower than the camera lags behind it. `LiveSession` drops frames instead.

    Args:
        name: index of `list_cameras`, part of a name, device file, or address of a stream; or a folder of
            pictures or a video file, which is played like a camera. None: the first camera.
        width: width in pixels; None: 640, or the width of the recording or stream.
        height: height in pixels; None: 480, or the height of the recording or stream.
        framerate: frames per second; None: chosen by the source.

    Raises:
        CameraError: there is no such camera, or it cannot be opened.
        MissingError: PyAV or picamera2 is not installed.
        PictureError: the recording cannot be opened.
        UsageError: the name fits several cameras, or the source does not support a requested setting.
    """
    return find_camera(name, CameraRequest(width, height, framerate)).open()


def find_camera(name: str | None, request: CameraRequest) -> Camera:
    """Return the camera with this name, not yet opened.

    Args:
        name: as for `open_camera`.
        request: what the camera is asked for.

    Raises:
        CameraError: there is no such camera.
        UsageError: the name fits several cameras, or the source does not support a requested setting.
    """
    if name is not None and is_address(name):
        shown_name = hide_secrets(name)
        _refuse_size(shown_name, request)
        if request.framerate:
            raise UsageError(f"{shown_name}: a stream has its own frame rate. Leave out --framerate.")
        return Camera(
            shown_name,
            lambda: Stream(name, stall_seconds=request.patience, levels=request.levels),
            request.orientation,
            request.patience,
        )
    if name is not None and name.startswith(("/dev/", *_DESKTOP_PREFIXES)):
        return _device_camera(name, request)
    if name is not None and not name.isdigit() and (Path(name).exists() or is_pattern(Path(name))):
        _refuse_size(name, request)
        return Camera(name, _recording_opener(Path(name), request), request.orientation)
    chosen = _choose(name, list_cameras())
    if chosen.path.startswith(_PI_PREFIX):
        return _pi_camera(chosen, request)
    return _device_camera(chosen.path, request)


def _pi_camera(chosen: CameraInfo, request: CameraRequest) -> Camera:
    number = int(chosen.path.removeprefix(_PI_PREFIX))
    # The sensor mirrors, and mirrored both ways the frame is rotated by 180 degrees. The reader does quarter
    # turns, and then also what is mirrored after them.
    if request.orientation.rotation in (0, 180):
        by_sensor, by_reader = request.orientation, UPRIGHT
    else:
        by_sensor, by_reader = UPRIGHT, request.orientation
    return Camera(
        f"Pi camera {number} ({chosen.name})",
        lambda: picamera.PiCamera(
            number, size=request.size, framerate=request.framerate, orientation=by_sensor
        ),
        by_reader,
        request.patience,
    )


def _device_camera(path: str, request: CameraRequest) -> Camera:
    camera_class = DesktopCamera if path.startswith(_DESKTOP_PREFIXES) else V4l2Camera
    return Camera(
        path,
        lambda: camera_class(
            path,
            size=request.size,
            framerate=request.framerate,
            stall_seconds=request.patience,
            levels=request.levels,
        ),
        request.orientation,
        request.patience,
    )


def _recording_opener(path: Path, request: CameraRequest) -> Callable[[], StepwiseSource]:
    if path.is_dir() or is_pattern(path):
        return lambda: Playback(
            lambda: PictureSequence(path, gray_range=request.levels.fixed), framerate=request.framerate
        )
    return lambda: Playback(lambda: VideoFile(path, levels=request.levels), framerate=request.framerate)


def _refuse_size(name: str, request: CameraRequest) -> None:
    if request.width or request.height:
        raise UsageError(f"{name}: --width and --height are for cameras; this source has its own size")


def _choose(name: str | None, cameras: list[CameraInfo]) -> CameraInfo:
    if not cameras:
        unknown = f"{name}: no such file, and " if name and not name.isdigit() else ""
        raise CameraError(f"{unknown}{describe_no_camera()}")
    if name is None:
        return cameras[0]
    if name.isdigit():
        if int(name) < len(cameras):
            return cameras[int(name)]
        raise CameraError(f"no camera {name}: this machine has {len(cameras)}. {_SEE_LIST}.")
    matches = [camera for camera in cameras if name.lower() in camera.name.lower()]
    name = hide_secrets(name)
    if not matches:
        raise CameraError(f"no camera has {name} in its name. {_SEE_LIST}.")
    if len(matches) > 1:
        raise UsageError(f"{name} fits {len(matches)} cameras. Use an index: {_SEE_LIST}.")
    return matches[0]
