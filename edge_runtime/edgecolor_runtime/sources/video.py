"""Video files, V4L2 cameras and network streams, decoded by PyAV. Only the luma is used."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgecolor_runtime.colors.source_colors import SourceColors
from edgecolor_runtime.errors import CameraError, CameraLoginError, PictureError, UsageError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.media.filters import FrameFilters
from edgecolor_runtime.media.gray_levels import GrayLevels
from edgecolor_runtime.media.timeline import Timeline, has_time_stamps
from edgecolor_runtime.media.tracks import choose_video
from edgecolor_runtime.media.truncation import ReadPackets, count_missing_frames
from edgecolor_runtime.sources.address import hide_secrets
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.orientation import Orientation
from edgecolor_runtime.sources.stepwise import StepwiseSource
from edgecolor_runtime.sources.v4l2 import describe_busy

SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts"),
        *(".3gp", ".3g2", ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".mxf", ".dv", ".nut", ".y4m", ".ivf"),
        *(".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".m1v", ".m2v", ".mpv", ".obu"),
        *(".mjpeg", ".mjpg"),
    )
)
"""Extensions of video files. A GIF file may be a picture or a video."""

_UNTIMED_RATE = 25  # frames per second of a file that specifies no time; FFmpeg assumes the same

_KERNEL_CLOCK_SECONDS = 1.0  # a V4L2 time stamp that is closer to now than this is on the monotonic clock
_POLL_SECONDS = 0.2  # a step that waits for a frame returns after this time


class VideoFile(StepwiseSource):
    """Every frame of a video file, upright. `Frame.seconds` is its time since the start of the file.

    Time stamps as stored are rewritten by a `Timeline`. Frames of a file without time stamps, such as bare
    H.264, are at equal distances.

    Args:
        path: the file.
        framerate: frames per second of a file without time stamps; None: the rate that its pictures specify,
            or 25.
        levels: which samples of deep gray become black and white; None: they follow the pictures.

    Attributes:
        path: the file.
        time_base: seconds per tick of its time stamps.
        full_range: whether its luma is 0 to 255, not 16 to 235. Known after the first frame.
        pixel_aspect: width of a pixel divided by its height; None if the file does not specify it.
        damaged: number of packets that could not be decoded up to now. They are skipped.
        missing: number of frames that the file promises and that are not in it, because it is cut off. Known
            at its end; 0 before.

    Raises:
        MissingError: PyAV is not installed.
        PictureError: the file is missing, is not a video, or has no video track.
        UsageError: a rate is given, and the file has time stamps.
    """

    def __init__(
        self, path: str | Path, *, framerate: float | None = None, levels: GrayLevels | None = None
    ) -> None:
        self.path, self.damaged, self.missing = Path(path), 0, 0
        av = pyav.load()
        try:
            self._container = av.open(pyav.local_file(self.path))
        except av.error.InvalidDataError:
            raise PictureError(f"{path}: not a video, or cut off before its table of contents") from None
        except av.error.FFmpegError as error:
            raise PictureError(f"{path}: {error.strerror}") from error
        stream = choose_video(self._container)
        if stream is None:
            self._container.close()
            raise PictureError(f"{path}: no pictures in it, only other tracks")
        self._stream = stream
        self._stream.thread_type = "AUTO"
        self._filters, self._levels = FrameFilters(stream), levels or GrayLevels()
        self._timeline: Timeline | None = None
        rate: Fraction | None = self._stream.average_rate
        self.time_base: Fraction = self._stream.time_base
        if has_time_stamps(self._container):
            if framerate:
                self._container.close()
                raise UsageError(f"{path}: this video has time stamps of its own. Leave out --framerate.")
            self._timeline = Timeline.of(self._container)
        else:
            rate = Fraction(framerate or self._stream.guessed_rate or _UNTIMED_RATE).limit_denominator(1001)
            self.time_base = 1 / rate
        super().__init__(str(path), live=False, framerate=float(rate) if rate else None)
        self.full_range = False
        self.pixel_aspect: Fraction | None = self._stream.sample_aspect_ratio or None
        self._av, self._frames = av, self._decode()
        self._number, self._last = -1, -1.0

    @property
    def count(self) -> int | None:
        """Number of frames according to the file; None if it does not specify it."""
        return self._stream.frames or None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame in pixels, as it is stored."""
        return self._stream.width, self._stream.height

    @property
    def notes(self) -> list[str]:
        """What was done to the frames, one sentence each."""
        return self._filters.notes + ([self._levels.note] if self._levels.note else [])

    def _decode(self) -> Iterator[Any]:
        packets = self._container.demux()
        read = ReadPackets(self._stream)
        while True:
            try:
                packet = next(packets)
                is_wanted = read.add(packet)
                if self._timeline is not None:
                    self._timeline.place(packet)
                if is_wanted:
                    for frame in packet.decode():
                        yield from self._filters.process(frame)
            except (StopIteration, self._av.error.EOFError):
                self.missing = count_missing_frames(self.path, self._container, read)
                yield from self._filters.flush()
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
        orientation = Orientation(-frame.rotation % 360)
        if orientation.rotation in (90, 270) and self.pixel_aspect and self._last < 0:
            self.pixel_aspect = 1 / self.pixel_aspect
        self._last = self._time_of(frame)
        gray = pyav.extract_luma(frame, self._levels, self._last)
        return Frame(orientation.apply(gray), self._last, colors=_colors_of(frame, orientation))

    def _time_of(self, frame: Any) -> float:
        """Return the time of the next frame in seconds. It is never before that of the last frame."""
        self._number += 1
        if self._timeline is None:
            return float(self._number * self.time_base)
        if frame.time is None:
            return max(0.0, self._last + 1 / (self.framerate or _UNTIMED_RATE))
        return max(self._last, float(frame.time))

    def _release(self) -> None:
        self._container.close()


def _colors_of(frame: Any, orientation: Orientation) -> SourceColors | None:
    colors = pyav.extract_colors(frame)
    return None if colors is None else colors.turned(orientation.apply)


_STREAM_OPTIONS = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    "analyzeduration": "500000",  # microseconds before the first frame
    "fpsprobesize": "0",  # FFmpeg's default waits for 20 frames
}
_STREAM_REASONS = {
    errno.EIO: "the connection was lost",
    errno.EINVAL: "not an address that FFmpeg can open",
}
_RTSP = "rtsp"  # rtsp:// and rtsps://
_DISCONNECTED = "the camera is gone. Check its cable."
_CAMERA_REASONS = {
    errno.ENOENT: "no such camera; `edgecolor run --list-cameras` lists the cameras of this machine",
    errno.EACCES: "no permission to open it. Join its group: sudo usermod -aG video $USER; then log in again",
    errno.ENODEV: _DISCONNECTED,
    errno.EIO: _DISCONNECTED,
    errno.ENXIO: _DISCONNECTED,
    errno.ENOTTY: "not a V4L2 camera",
    errno.EINVAL: "the camera refuses the settings. Leave out --width, --height and --framerate.",
}


class Stream(StepwiseSource):
    """A network stream, as it arrives. `Frame.seconds` is when a frame was decoded.

    Args:
        address: what PyAV opens: rtsp://, http://, udp:// and similar.
        stall_seconds: the stream counts as gone if there is no data for this long.
        input_format: name of FFmpeg's input format; None: detected.
        options: FFmpeg's options for the input; None: those for low latency.
        levels: which samples of deep gray become black and white; None: they follow the pictures.

    Attributes:
        damaged: number of packets that could not be decoded up to now. They are skipped.

    Raises:
        MissingError: PyAV is not installed.
        CameraError: the stream cannot be opened, or has no pictures.
    """

    def __init__(
        self,
        address: str,
        *,
        stall_seconds: float,
        input_format: str | None = None,
        options: dict[str, str] | None = None,
        levels: GrayLevels | None = None,
    ) -> None:
        av = pyav.load()
        if options is None:
            options = dict(_STREAM_OPTIONS)
            if address.startswith(_RTSP):
                options["rtsp_transport"] = "tcp"  # lost UDP packets show as gray smears
        try:
            self._container = av.open(address, format=input_format, options=options, timeout=stall_seconds)
        except av.error.FFmpegError as error:
            raise self._failure(address, error) from None  # FFmpeg's error names the whole address
        stream = choose_video(self._container)
        if stream is None:
            self._container.close()
            raise CameraError(f"{hide_secrets(address)}: no pictures in this stream")
        stream.thread_count = 1  # each further thread would hold back a frame
        rate = stream.average_rate or stream.guessed_rate
        super().__init__(hide_secrets(address), live=True, framerate=float(rate) if rate else None)
        self._av, self.damaged = av, 0
        self.stamped_at = "arrival"
        self._stream = stream
        self._filters, self._levels = FrameFilters(stream), levels or GrayLevels()
        # Every packet is a step, also one of audio. Otherwise a step would not end while only audio arrives.
        self._packets = self._container.demux()
        self._decoded: list[Any] = []

    def _step(self) -> Frame | None:
        if self._decoded:
            frame = self._decoded.pop(0)
            orientation = Orientation(-frame.rotation % 360)
            taken = self._time_taken(frame)
            gray = orientation.apply(pyav.extract_luma(frame, self._levels, taken))
            return Frame(gray, taken, colors=_colors_of(frame, orientation))
        if not self._is_readable():
            return None
        error = self._av.error
        try:
            packet = next(self._packets)
            if packet.stream is self._stream:
                for frame in packet.decode():
                    self._decoded += self._filters.process(frame)
        except (StopIteration, error.EOFError):
            if self.name.startswith(_RTSP):  # a server that dies looks like one that ends the stream
                raise CameraError(f"{self.name}: the camera ended the stream. Check that it runs.") from None
            raise EOFError from None
        except error.BlockingIOError:  # no packet yet
            self._packets = self._container.demux()  # an error ends the iterator
        except error.InvalidDataError:
            self.damaged += 1  # the next packets may be good
            self._packets = self._container.demux()
        except error.FFmpegError as failure:
            raise self._failure(self.name, failure) from failure
        return None

    @property
    def notes(self) -> list[str]:
        """What was done to the frames, one sentence each."""
        return self._filters.notes + ([self._levels.note] if self._levels.note else [])

    def _failure(self, address: str, error: Any) -> CameraError:
        """Return the error to raise for an error of FFmpeg."""
        if isinstance(error, pyav.load().error.HTTPUnauthorizedError):
            return CameraLoginError(
                f"{hide_secrets(address)}: the camera refuses the user or the password (401). "
                "Write both into the address: SCHEME://USER:PASSWORD@HOST"
            )
        return CameraError(f"{hide_secrets(address)}: {self._reason(address, error)}")

    def _reason(self, address: str, error: Any) -> str:
        """Return why FFmpeg failed, and what the user can do."""
        if isinstance(error, pyav.load().error.ExitError):
            return "no data from it any more, or none at all; a slower camera needs --stall TIME"
        return _STREAM_REASONS.get(error.errno) or " ".join(str(error.strerror).split())

    def _is_readable(self) -> bool:
        """Return whether a read will not block for long."""
        return True

    def _time_taken(self, frame: Any) -> float:
        """Return when a frame was taken, on `time.monotonic`."""
        return time.monotonic()

    def _release(self) -> None:
        self._container.close()


class V4l2Camera(Stream):
    """A camera of Video4Linux. `Frame.seconds` is the time stamp of the kernel.

    Args:
        device: its device file, such as /dev/video0.
        size: width and height to ask for in pixels. The driver may choose others.
        framerate: frames per second to ask for. The driver may choose another rate.
        stall_seconds: the camera counts as gone if there is no data for this long.
        levels: which samples of deep gray become black and white; None: they follow the pictures.

    Raises:
        MissingError: PyAV is not installed.
        CameraError: there is no such camera, it is in use, or it refuses the settings.
    """

    def __init__(
        self,
        device: str,
        *,
        size: tuple[int, int] | None,
        framerate: float | None,
        stall_seconds: float,
        levels: GrayLevels | None = None,
    ) -> None:
        options = {}
        if size:
            options["video_size"] = f"{size[0]}x{size[1]}"
        if framerate:
            options["framerate"] = f"{framerate:g}"
        super().__init__(
            device, stall_seconds=stall_seconds, input_format="v4l2", options=options, levels=levels
        )
        self.stamped_at = "capture"
        # FFmpeg waits for a frame in a call that nothing can interrupt. It is called only if there is one.
        self._poll = select.poll()
        for descriptor in _open_descriptors(device):
            self._poll.register(descriptor, select.POLLIN)

    def _reason(self, address: str, error: Any) -> str:
        if error.errno == errno.EBUSY:
            device = os.path.realpath(address)
            return describe_busy(lambda target: target == device)
        return _CAMERA_REASONS.get(error.errno) or super()._reason(address, error)

    def _is_readable(self) -> bool:
        return bool(self._poll.poll(_POLL_SECONDS * 1000))

    def _time_taken(self, frame: Any) -> float:
        now = time.monotonic()
        stamp: float | None = frame.time
        return stamp if stamp is not None and abs(now - stamp) < _KERNEL_CLOCK_SECONDS else now


def _open_descriptors(device: str) -> list[int]:
    """Return the file descriptors with which this process has a device open."""
    real_path, descriptors = os.path.realpath(device), []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - only the names are needed
        try:
            if os.readlink(f"/proc/self/fd/{name}") == real_path:  # noqa: PTH115 - the link, not resolved
                descriptors.append(int(name))
        except OSError:
            continue
    return descriptors
