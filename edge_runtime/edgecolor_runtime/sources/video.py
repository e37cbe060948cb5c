"""Video files, V4L2 cameras and network streams, decoded by PyAV; only the luma is taken."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgecolor_runtime.errors import CameraError, PictureError
from edgecolor_runtime.sources import pyav
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.orientation import Turn
from edgecolor_runtime.sources.stepwise import Stepwise
from edgecolor_runtime.sources.v4l2 import in_use

SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
        *(".3gp", ".wmv", ".flv", ".ogv", ".mjpeg", ".mjpg", ".h264", ".y4m"),
    )
)
"""How the names of video files end."""

_KERNEL_CLOCK = 1.0  # s; a V4L2 time stamp this near to now is on the monotonic clock
_POLL = 0.2  # s until a waiting reader looks whether it is to end


class VideoFile(Stepwise):
    """Every frame of a video file, upright. `seconds` is the frame's own time stamp.

    Attributes:
        path: The file.
        time_base: Seconds in one tick of its time stamps.
        full_range: Its luma goes from 0 to 255, not from 16 to 235.
        pixel_aspect: Width of a pixel over its height; None where the file does not say.
        damaged: Pieces that could not be decoded, up to now, and were left out.

    Raises:
        MissingError: PyAV is not installed.
        PictureError: The file is missing, no video, or without pictures.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.damaged = Path(path), 0
        av = pyav.load()
        try:
            self._container = av.open(str(path))
        except av.error.InvalidDataError:
            raise PictureError(f"{path}: not a video, or cut off before its table of contents") from None
        except av.error.FFmpegError as error:
            raise PictureError(f"{path}: {error.strerror}") from error
        if not self._container.streams.video:
            self._container.close()
            raise PictureError(f"{path}: no pictures in it")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        rate: Fraction | None = self._stream.average_rate
        super().__init__(str(path), live=False, framerate=float(rate) if rate else None)
        self.time_base: Fraction = self._stream.time_base
        self.full_range = False
        self.pixel_aspect: Fraction | None = self._stream.sample_aspect_ratio or None
        self._av, self._frames, self._last = av, self._decode(), -1.0

    @property
    def count(self) -> int | None:
        """How many frames the file says that it has; None where it does not."""
        return self._stream.frames or None

    def _decode(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                yield from next(packets).decode()
            except StopIteration:
                return
            except self._av.error.EOFError:
                return
            except (self._av.error.InvalidDataError, self._av.error.PatchWelcomeError):
                self.damaged += 1
            except self._av.error.FFmpegError as error:
                raise PictureError(f"{self.path}: {error.strerror}") from error

    def _step(self) -> Frame | None:
        frame = next(self._frames, None)
        if frame is None:
            raise EOFError
        self.full_range = pyav.is_full_range(frame)
        turn = Turn(-frame.rotation % 360)
        if turn.rotation in (90, 270) and self.pixel_aspect and self._last < 0:
            self.pixel_aspect = 1 / self.pixel_aspect
        # A stream of bare H.264 has no time stamps.
        self._last = self._last + 1 / (self.framerate or 25) if frame.time is None else frame.time
        return Frame(turn(pyav.luma(frame)), self._last)

    def _release(self) -> None:
        self._container.close()


_NO_STREAM = {
    errno.EIO: "the connection broke off",
    errno.EINVAL: "not an address that FFmpeg can open",
}
_GONE = "the camera is gone; is its cable in?"
_NO_CAMERA = {
    errno.ENOENT: "no such camera; `edgecolor run --list-cameras` names those that there are",
    errno.EACCES: "may not be opened; join its group: sudo usermod -aG video $USER, then log in again",
    errno.ENODEV: _GONE,
    errno.EIO: _GONE,
    errno.ENXIO: _GONE,
    errno.ENOTTY: "is no V4L2 camera",
    errno.EINVAL: "the camera refuses; try it without --width, --height and --framerate",
}


class Stream(Stepwise):
    """A network stream, as it comes. `seconds` is when a frame was decoded.

    Args:
        address: What PyAV opens: rtsp://, http://, udp:// and its like.
        stall: Seconds without data after which it counts as gone.
        form: The name of FFmpeg's input format; None: found out.
        options: FFmpeg's, for the input.

    Raises:
        MissingError: PyAV is not installed.
        CameraError: It cannot be opened, or shows no pictures.
    """

    def __init__(
        self, address: str, *, stall: float, form: str | None = None, options: dict[str, str] | None = None
    ) -> None:
        av = pyav.load()
        if options is None:
            options = {"fflags": "nobuffer", "flags": "low_delay"}
            if address.startswith("rtsp"):
                options["rtsp_transport"] = "tcp"  # lost packets would show as gray smears
        try:
            self._container = av.open(address, format=form, options=options, timeout=stall)
        except av.error.FFmpegError as error:
            raise CameraError(f"{address}: {self._why(address, error)}") from error
        if not self._container.streams.video:
            self._container.close()
            raise CameraError(f"{address}: no pictures in this stream")
        stream = self._container.streams.video[0]
        stream.thread_count = 1  # more would each hold a frame back
        rate = stream.average_rate or stream.guessed_rate
        super().__init__(address, live=True, framerate=float(rate) if rate else None)
        self._av, self.damaged = av, 0
        self._packets = self._container.demux(stream)
        self._ready: list[Any] = []

    def _step(self) -> Frame | None:
        if self._ready:
            frame = self._ready.pop(0)
            return Frame(Turn(-frame.rotation % 360)(pyav.luma(frame)), self._taken(frame))
        if not self._wait():
            return None
        error = self._av.error
        try:
            self._ready = next(self._packets).decode()
        except (StopIteration, error.EOFError):
            raise EOFError from None
        except (error.InvalidDataError, error.BlockingIOError):
            self.damaged += 1  # a camera's garbage; what follows may be good
        except error.FFmpegError as gone:
            raise CameraError(f"{self.name}: {self._why(self.name, gone)}") from gone
        return None

    def _why(self, address: str, error: Any) -> str:
        """What a user can do about it."""
        if isinstance(error, pyav.load().error.ExitError):
            return "no data any more, or none at all"
        return _NO_STREAM.get(error.errno) or " ".join(str(error.strerror).split())

    def _wait(self) -> bool:
        """Whether a read will not block for long."""
        return True

    def _taken(self, frame: Any) -> float:
        return time.monotonic()

    def _release(self) -> None:
        self._container.close()


class V4l2Camera(Stream):
    """A camera of Video4Linux. `seconds` is the kernel's time stamp.

    Args:
        device: Its path, such as /dev/video0.
        size: Width and height to ask for; the driver may choose others.
        framerate: Frames a second to ask for, likewise.
        stall: Seconds without data after which it counts as gone.
    """

    def __init__(
        self, device: str, *, size: tuple[int, int] | None, framerate: float | None, stall: float
    ) -> None:
        options = {}
        if size:
            options["video_size"] = f"{size[0]}x{size[1]}"
        if framerate:
            options["framerate"] = f"{framerate:g}"
        super().__init__(device, stall=stall, form="v4l2", options=options)
        # FFmpeg waits for a frame in a call that nothing interrupts, so it is called once there is one.
        self._poll = select.poll()
        for descriptor in _descriptors(device):
            self._poll.register(descriptor, select.POLLIN)

    def _why(self, address: str, error: Any) -> str:
        if error.errno == errno.EBUSY:
            device = os.path.realpath(address)
            return in_use(lambda target: target == device)
        return _NO_CAMERA.get(error.errno) or super()._why(address, error)

    def _wait(self) -> bool:
        return bool(self._poll.poll(_POLL * 1000))

    def _taken(self, frame: Any) -> float:
        now = time.monotonic()
        stamp: float | None = frame.time
        return stamp if stamp is not None and abs(now - stamp) < _KERNEL_CLOCK else now


def _descriptors(device: str) -> list[int]:
    """Where this process has a device open."""
    real, found = os.path.realpath(device), []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are all that is wanted
        try:
            if os.readlink(f"/proc/self/fd/{name}") == real:  # noqa: PTH115 - as it says, not resolved
                found.append(int(name))
        except OSError:
            continue
    return found
