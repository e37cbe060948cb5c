"""Colored frames written to a video file; brightness, time stamps and audio stay those of the source.

Luma is written in the range in which it was read. Its values stay the same. Chroma is written at half size,
without a conversion to RGB. Chroma is BT.601 and the file is tagged accordingly: the matrix is SMPTE 170M,
primaries and transfer are sRGB, and the range is specified.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from edgecolor_runtime.colors import upsampling
from edgecolor_runtime.colors.frame import ColorFrame, Shot
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import MissingError, PictureError, UsageError
from edgecolor_runtime.outputs.audio import AudioCopier
from edgecolor_runtime.sources import pyav
from edgecolor_runtime.sources.video import VideoFile
from edgecolor_runtime.system.files import publish, refuse_existing, temporary_beside

_X264 = {"preset": "veryfast", "crf": "20"}
_VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "32", "b": "0"}
FORMATS: dict[str, tuple[str, str, dict[str, str]]] = {
    ".mp4": ("mp4", "libx264", _X264),
    ".m4v": ("mp4", "libx264", _X264),
    ".mov": ("mov", "libx264", _X264),
    ".mkv": ("matroska", "libx264", _X264),
    ".webm": ("webm", "libvpx-vp9", _VP9),
}
"""File extension -> container, encoder and its options. All of these containers keep any time stamp."""

TICK = Fraction(1, 90_000)
"""Unit of the time stamps in seconds, for a camera and for a video without a time base."""

# ITU-T H.273, tables 2 to 4.
_MATRIX_BT601 = 6
_PRIMARIES_BT709 = 1
_TRANSFER_SRGB = 13

_CAMERA_FRAMERATE = 30  # nominal; each frame has its own time stamp


class VideoWriter:
    """Writes colored frames to one video file.

    The file has a temporary name until `finish`. A run that is killed leaves no incomplete file under the
    real name. As a context manager, the writer discards the file unless `finish` was called:

        with VideoWriter("colored.mp4") as writer:
            for number, frame in enumerate(camera):
                writer.write(Shot(number, colorizer.colorize(frame.gray), frame.seconds))
            writer.finish()

    Args:
        path: the file to write. Its extension selects the container: .mp4, .m4v, .mov, .mkv or .webm.
        source: the video that is colored. Its time stamps, range, pixel aspect ratio and audio are kept.
            None: the frames come from a camera, and the first one gets time 0.
        force: replace an existing file.

    Attributes:
        path: the file to write.
        notes: what the user should know about the result, one sentence each.

    Raises:
        MissingError: PyAV is not installed.
        UsageError: the extension is not one of a supported container, or the file exists.
    """

    def __init__(self, path: str | Path, *, source: VideoFile | None = None, force: bool = False) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        if self.path.suffix.lower() not in FORMATS:
            raise UsageError(
                f"{path}: cannot write {self.path.suffix or 'this'} video. Use {', '.join(FORMATS)}."
            )
        self._av, self._source, self._force = pyav.load(), source, force
        refuse_existing(self.path, force)
        self._stack = ExitStack()
        self._audio: AudioCopier | None = None
        self._container: Any = None
        self._stream: Any = None
        self._start_seconds, self._last_tick = 0.0, -1

    def __enter__(self) -> VideoWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Discard the file unless it is finished."""
        self.discard()

    def write(self, shot: Shot) -> None:
        """Append a frame. A frame of another size than the first is scaled to that size.

        Raises:
            MissingError: PyAV lacks the encoder.
            PictureError: the file cannot be written.
        """
        try:
            if self._container is None:
                self._open(shot)
            if self._audio is not None:
                self._audio.copy_until(shot.seconds)
            self._container.mux(self._stream.encode(self._to_video_frame(shot)))
        except self._av.error.FFmpegError as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror}") from error

    def finish(self, *, whole: bool = True) -> None:
        """Complete the file and give it its real name. If no frame was written, there is no file.

        Args:
            whole: write the audio to its end, not only up to the last frame.

        Raises:
            UsageError: another program has created the file meanwhile (without `force`).
            PictureError: the file cannot be written.
        """
        if self._container is None:
            self.discard()
            return
        try:
            self._container.mux(self._stream.encode(None))
            if self._audio is not None and whole:
                self._audio.copy_until(float("inf"))
            self._container.close()
            publish(self._temporary, self.path, force=self._force)
        except (self._av.error.FFmpegError, OSError) as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the file unless it is finished."""
        self._container = None
        self._stack.close()

    def _open(self, shot: Shot) -> None:
        container_name, codec, options = FORMATS[self.path.suffix.lower()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._temporary = self._stack.enter_context(temporary_beside(self.path))
        container = self._av.open(str(self._temporary), "w", format=container_name)
        self._stack.callback(_close, container, self._av)
        source, (width, height) = self._source, shot.frame.y.size
        self._size = width & ~1, height & ~1  # H.264 and VP9 in 4:2:0 need even sides
        if self._size != (width, height):
            self.notes.append("its last row or column was left out: H.264 and VP9 need even sides")
        if 0 in self._size:
            raise PictureError(f"{self.path}: a video of {width} x {height} pixels cannot be written")
        rate = (
            Fraction(source.framerate or _CAMERA_FRAMERATE).limit_denominator(1001)
            if source
            else _CAMERA_FRAMERATE
        )
        try:
            self._stream = stream = container.add_stream(codec, rate=rate, options=dict(options))
        except self._av.codec.codec.UnknownCodecError:
            raise MissingError(
                f"{self.path}: this PyAV has no {codec} encoder. Choose another extension."
            ) from None
        stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
        self._tick = source.time_base if source and source.time_base else TICK
        stream.time_base = stream.codec_context.time_base = self._tick
        if source and source.pixel_aspect:
            stream.codec_context.sample_aspect_ratio = source.pixel_aspect
        self._full_range = source.full_range if source else True
        context = stream.codec_context
        context.color_range = pyav.FULL if self._full_range else pyav.LIMITED
        context.colorspace = _MATRIX_BT601
        context.color_primaries, context.color_trc = _PRIMARIES_BT709, _TRANSFER_SRGB
        if source:
            self._audio = self._stack.enter_context(AudioCopier(source.path, container))
            self.notes += self._audio.notes
        else:
            self._start_seconds = shot.seconds
        self._container = container

    def _to_video_frame(self, shot: Shot) -> Any:
        width, height = self._size
        video_frame = self._av.VideoFrame(width, height, "yuv420p")
        for plane, values in zip(
            video_frame.planes, _planes(shot.frame, self._size, full_range=self._full_range), strict=True
        ):
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            rows[: values.shape[0], : values.shape[1]] = values
        # The container refuses two frames with one time stamp. The second one gets the next tick.
        tick = round((shot.seconds - self._start_seconds) / self._tick)
        self._last_tick = max(self._last_tick + 1, tick)
        video_frame.pts, video_frame.time_base = self._last_tick, self._tick
        video_frame.color_range = pyav.FULL if self._full_range else pyav.LIMITED
        video_frame.colorspace = _MATRIX_BT601
        return video_frame


def _planes(frame: ColorFrame, size: tuple[int, int], *, full_range: bool) -> tuple[U8, U8, U8]:
    """Return Y of this size, and Cb and Cr of half this size."""
    gray = frame.y
    if (gray.width & ~1, gray.height & ~1) == size:
        gray = gray.crop((0, 0, *size))
    else:
        gray = gray.resize(size, Image.Resampling.BILINEAR)
    y = np.asarray(gray)
    cb, cr = replace(frame, y=gray).half_planes()
    return (y, cb, cr) if full_range else (_LIMITED_LUMA[y], _LIMITED_CHROMA[cb], _LIMITED_CHROMA[cr])


_LEVELS = np.arange(256)
_LIMITED_LUMA = np.rint(_LEVELS * (pyav.LIMITED_LUMA / 255) + pyav.LIMITED_BLACK).astype(np.uint8)
_LIMITED_CHROMA = np.rint(
    (_LEVELS - upsampling.NEUTRAL) * (pyav.LIMITED_CHROMA / 255) + upsampling.NEUTRAL
).astype(np.uint8)


def _close(container: Any, av: Any) -> None:
    with suppress(av.error.FFmpegError):
        container.close()
