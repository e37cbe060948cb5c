"""The Raspberry Pi's camera: the only module that imports picamera2.

Calls are those of the Picamera2 manual (Raspberry Pi Ltd, "The Picamera2 Library") and of libcamera's
documentation. The main stream is YUV420 in sYCC, which is BT.601 in full range: its luma is the gray frame.
"""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from PIL import Image

from edgecolor_runtime.errors import CameraError, MissingError
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.orientation import UPRIGHT, Turn
from edgecolor_runtime.sources.stepwise import Stepwise
from edgecolor_runtime.sources.v4l2 import in_use

_POLL = 0.2  # s until a waiting reader looks whether it is to end
_USB = "/usb"  # in libcamera's name of a camera on USB, which V4L2 serves better


def available() -> bool:
    """Whether picamera2 can be imported."""
    try:
        _library()
    except MissingError:
        return False
    return True


def cameras() -> list[tuple[int, str]]:
    """Number and model of each Pi camera."""
    found = _library().Picamera2.global_camera_info()
    return [(int(info["Num"]), str(info["Model"])) for info in found if _USB not in str(info.get("Id", ""))]


def _library() -> Any:
    try:
        import picamera2
    except ImportError as error:
        raise MissingError(
            "the Pi camera needs picamera2: apt install python3-picamera2, and a virtual environment made "
            f"with --system-site-packages [{error}]"
        ) from error
    return picamera2


class PiCamera(Stepwise):
    """A Pi camera. `seconds` is when the sensor began the frame.

    Args:
        number: Of `cameras`.
        size: Width and height; the camera may choose the next that it can.
        framerate: Frames a second; None: the camera's own choice.
        turn: What the sensor is to turn: it can mirror both ways, and so turn by 180 degrees.

    Raises:
        MissingError: picamera2 is not installed.
        CameraError: There is no such camera, it is in use, or refuses.
    """

    def __init__(
        self, number: int, *, size: tuple[int, int], framerate: float | None, turn: Turn | None = None
    ) -> None:
        super().__init__(f"Pi camera {number}", live=True, framerate=framerate)
        library = _library()
        self._camera: Any = None
        self._job: Any = None
        try:
            self._camera = library.Picamera2(number)
            self._camera.configure(self._configuration(size, framerate, turn or UPRIGHT))
            self._camera.start()
        except (RuntimeError, IndexError, ValueError, OSError) as error:
            self._release()
            raise CameraError(f"{self.name}: {_why(error)}") from error
        main = self._camera.camera_configuration()["main"]
        self.size: tuple[int, int] = tuple(main["size"])

    def _configuration(self, size: tuple[int, int], framerate: float | None, turn: Turn) -> Any:
        from libcamera import ColorSpace, Transform

        over = turn.rotation == 180
        controls = {}
        if framerate:
            microseconds = round(1e6 / framerate)
            controls["FrameDurationLimits"] = (microseconds, microseconds)
        return self._camera.create_video_configuration(
            main={"size": size, "format": "YUV420"},
            transform=Transform(hflip=turn.hflip != over, vflip=turn.vflip != over),
            color_space=ColorSpace.Sycc(),
            controls=controls,
        )

    def _step(self) -> Frame | None:
        try:
            if self._job is None:
                self._job = self._camera.capture_request(wait=False)
            try:
                request = self._job.get_result(timeout=_POLL)
            except (FutureTimeout, TimeoutError):
                return None  # the same job is waited for again
            self._job = None
            try:
                return self._frame(request)
            finally:
                request.release()
        except (RuntimeError, OSError) as error:
            raise CameraError(f"{self.name}: {_why(error)}") from error

    def _frame(self, request: Any) -> Frame | None:
        width, height = self.size
        planes = request.make_array("main")  # Y, then U and V below it; a row may be longer than the picture
        if planes.ndim != 2 or planes.shape[0] < height or planes.shape[1] < width:
            raise CameraError(f"{self.name}: a frame of {planes.shape}, not of {height} rows of {width}")
        return Frame(Image.fromarray(planes[:height, :width].copy()), _taken(request.get_metadata()))

    def _release(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()  # stops it first


def _taken(metadata: dict[str, Any]) -> float:
    """SensorTimestamp is in nanoseconds of CLOCK_BOOTTIME, which goes on while the machine sleeps."""
    now = time.monotonic()
    stamp = metadata.get("SensorTimestamp")
    if stamp is None:
        return now
    asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - now
    return min(now, float(stamp) / 1e9 - asleep)


def _why(error: BaseException) -> str:
    """Picamera2 hides the reason behind "Camera __init__ sequence did not complete."."""
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    said = " ".join(texts)
    if "busy" in said or "in use" in said or "requiring state Available" in said:
        return in_use(lambda target: target.startswith("/dev/media"))
    if isinstance(error, IndexError) or "not found" in said or "index out of range" in said:
        return "no such camera; is its cable in? `edgecolor run --list-cameras` names those that there are"
    return " ".join(said.split()) or type(error).__name__
