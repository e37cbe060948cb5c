"""The Raspberry Pi's camera. This is the only module that imports picamera2.

The calls are those of the Picamera2 manual (Raspberry Pi Ltd, "The Picamera2 Library") and of libcamera's
documentation. The main stream is YUV420 in sYCC, which is BT.601 in full range: its luma is the gray frame.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from PIL import Image

from edgecolor_runtime.colors.source_colors import SourceColors
from edgecolor_runtime.errors import CameraError, MissingError
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.orientation import UPRIGHT, Orientation
from edgecolor_runtime.sources.stepwise import StepwiseSource
from edgecolor_runtime.sources.v4l2 import describe_busy

_POLL_SECONDS = 0.2  # a step that waits for a frame returns after this time
_USB_MARK = "/usb"  # part of libcamera's name of a USB camera, which V4L2 serves better


def is_available() -> bool:
    """Return whether picamera2 can be imported."""
    try:
        _load_picamera2()
    except MissingError:
        return False
    return True


def list_pi_cameras() -> list[tuple[int, str]]:
    """Return number and model of each Pi camera."""
    cameras = _load_picamera2().Picamera2.global_camera_info()
    return [
        (int(camera["Num"]), str(camera["Model"]))
        for camera in cameras
        if _USB_MARK not in str(camera.get("Id", ""))
    ]


def _load_picamera2() -> Any:
    try:
        import picamera2
    except ImportError as error:
        raise MissingError(
            f"a Raspberry Pi camera needs picamera2, and the Python environment {sys.prefix} has none. "
            f"`edgecolor doctor` prints the fix. [{error}]"
        ) from error
    return picamera2


class PiCamera(StepwiseSource):
    """A Pi camera. `Frame.seconds` is when the sensor began the frame.

    Args:
        number: number of the camera in `list_pi_cameras`.
        size: width and height in pixels. The camera may choose the nearest that it supports.
        framerate: frames per second; None: chosen by the camera.
        orientation: what the sensor does: it can mirror, and mirrored both ways is rotated by 180 degrees.

    Raises:
        MissingError: picamera2 is not installed.
        CameraError: there is no such camera, it is in use, or it refuses the settings.
    """

    def __init__(
        self,
        number: int,
        *,
        size: tuple[int, int],
        framerate: float | None,
        orientation: Orientation = UPRIGHT,
    ) -> None:
        super().__init__(f"Pi camera {number}", live=True, framerate=framerate)
        library = _load_picamera2()
        self._camera: Any = None
        self._job: Any = None
        try:
            self._camera = library.Picamera2(number)
            self._camera.configure(self._configuration(size, framerate, orientation))
            self._camera.start()
        except (RuntimeError, IndexError, ValueError, OSError) as error:
            self._release()
            raise CameraError(f"{self.name}: {_reason(error)}") from error
        self._is_mono = bool(getattr(self._camera, "is_mono", False))  # newer versions have it
        main = self._camera.camera_configuration()["main"]
        self.size: tuple[int, int] = tuple(main["size"])

    def _configuration(self, size: tuple[int, int], framerate: float | None, orientation: Orientation) -> Any:
        from libcamera import ColorSpace, Transform

        upside_down = orientation.rotation == 180
        controls = {}
        if framerate:
            microseconds = round(1e6 / framerate)
            controls["FrameDurationLimits"] = (microseconds, microseconds)
        return self._camera.create_video_configuration(
            main={"size": size, "format": "YUV420"},
            transform=Transform(
                hflip=orientation.hflip != upside_down, vflip=orientation.vflip != upside_down
            ),
            color_space=ColorSpace.Sycc(),
            controls=controls,
        )

    def _step(self) -> Frame | None:
        try:
            if self._job is None:
                self._job = self._camera.capture_request(wait=False)
            try:
                request = self._job.get_result(timeout=_POLL_SECONDS)
            except (FutureTimeout, TimeoutError):
                return None  # the next step waits for the same job
            self._job = None
            try:
                return self._read_frame(request)
            finally:
                request.release()
        except (RuntimeError, OSError) as error:
            raise CameraError(f"{self.name}: {_reason(error)}") from error

    def _read_frame(self, request: Any) -> Frame:
        width, height = self.size
        planes = request.make_array("main")  # Y, below it U and V; rows may be longer than the picture
        if planes.ndim != 2 or planes.shape[0] < height or planes.shape[1] < width:
            raise CameraError(
                f"{self.name}: got a frame of {planes.shape}, not of {height} rows of {width} pixels"
            )
        gray = Image.fromarray(planes[:height, :width].copy())
        colors = None if self._is_mono else _colors_below(planes, width, height)
        return Frame(gray, _time_taken(request.get_metadata()), colors=colors)

    def _release(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()  # it also stops the camera


def _colors_below(planes: Any, width: int, height: int) -> SourceColors | None:
    """Return the chroma of a YUV420 array: U and V lie below luma, two of their rows in one row of it."""
    stride, h, w = planes.shape[1], height // 2, width // 2
    below = planes[height:].reshape(-1)
    size = h * (stride // 2)
    if below.size < 2 * size or not size:
        return None
    cb, cr = (
        Image.fromarray(below[start : start + size].reshape(h, stride // 2)[:, :w].copy())
        for start in (0, size)
    )
    return SourceColors(cb, cr)


def _time_taken(metadata: Mapping[str, Any]) -> float:
    """Return when the sensor began a frame, on `time.monotonic`.

    SensorTimestamp is in nanoseconds of CLOCK_BOOTTIME, which also counts while the machine sleeps.
    """
    now = time.monotonic()
    stamp = metadata.get("SensorTimestamp")
    if stamp is None:
        return now
    seconds_asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - now
    return min(now, float(stamp) / 1e9 - seconds_asleep)


def _reason(error: BaseException) -> str:
    """Return why the camera failed, from an error and its causes.

    The message of picamera2 itself is only "Camera __init__ sequence did not complete.".
    """
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    text = " ".join(texts)
    if "busy" in text or "in use" in text or "requiring state Available" in text:
        return describe_busy(lambda target: target.startswith("/dev/media"))
    if isinstance(error, IndexError) or "not found" in text or "index out of range" in text:
        return (
            "no such camera. Check its cable; "
            "`edgecolor run --list-cameras` lists the cameras of this machine."
        )
    return " ".join(text.split()) or type(error).__name__
