"""Colored frames to a video file: brightness and time stamps as they came, sound carried over.

Luma is written in the range that it was read in, so its values are the same, and chroma beside it at half
size, without any RGB in between. Chroma is BT.601, and the file says so: the matrix is SMPTE 170M, primaries
and transfer are sRGB, and the range is told.
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
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import MissingError, PictureError, UsageError
from edgecolor_runtime.live.shot import Shot
from edgecolor_runtime.outputs.audio import Sound
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
"""File extension -> container, encoder and its options. All of these keep any time stamp."""

TICKS = Fraction(1, 90_000)  # s; of a camera's time stamps, and a video's where it has none of its own
_MATRIX_BT601, _PRIMARIES_BT709, _TRANSFER_SRGB = 6, 1, 13  # ITU-T H.273, tables 2 to 4


def is_video(path: Path) -> bool:
    """Whether a file of this name is written as video."""
    return path.suffix.lower() in FORMATS


class VideoWriter:
    """Writes one video file: under another name until `finish`, so a killed run leaves no half file.

    As a context, it is discarded unless `finish` was called.

    Args:
        path: Where to; the extension chooses the container.
        of: The video that is colored: its time stamps, range, shape of pixels and sound are kept. None: a
            camera's frames, which begin at 0.
        force: Replace a file that is there already.

    Raises:
        MissingError: PyAV is not installed, or lacks the encoder.
        UsageError: The extension names no container, or the file exists.
        PictureError: The file cannot be written.
    """

    def __init__(self, path: str | Path, *, of: VideoFile | None = None, force: bool = False) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        if not is_video(self.path):
            raise UsageError(
                f"{path}: cannot write {self.path.suffix or 'this'} video; use {', '.join(FORMATS)}"
            )
        self._av, self._of, self._force = pyav.load(), of, force
        refuse_existing(self.path, force)
        self._stack = ExitStack()
        self._sound: Sound | None = None
        self._container: Any = None
        self._stream: Any = None
        self._zero, self._last = 0.0, -1

    def __enter__(self) -> VideoWriter:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Discard what is not finished."""
        self.discard()

    def write(self, shot: Shot) -> None:
        """Append a frame. One of another size than the first is scaled to it."""
        try:
            if self._container is None:
                self._open(shot)
            if self._sound is not None:
                self._sound.copy_until(shot.seconds)
            self._container.mux(self._stream.encode(self._picture(shot)))
        except self._av.error.FFmpegError as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror}") from error

    def finish(self, *, whole: bool = True) -> None:
        """Complete the file and give it its name. Without a frame there is none.

        Args:
            whole: The video ended by itself, so its sound is written to the end, not to the last frame.
        """
        if self._container is None:
            self.discard()
            return
        try:
            self._container.mux(self._stream.encode(None))
            if self._sound is not None and whole:
                self._sound.copy_until(float("inf"))
            self._container.close()
            publish(self._temporary, self.path, force=self._force)
        except (self._av.error.FFmpegError, OSError) as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was written, unless it was finished."""
        self._container = None
        self._stack.close()

    def _open(self, shot: Shot) -> None:
        form, codec, options = FORMATS[self.path.suffix.lower()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._temporary = self._stack.enter_context(temporary_beside(self.path))
        container = self._av.open(str(self._temporary), "w", format=form)
        self._stack.callback(_close, container, self._av)
        of, (width, height) = self._of, shot.frame.y.size
        self._size = width & ~1, height & ~1  # H.264 in 4:2:0 has even sides
        if self._size != (width, height):
            self.notes.append("its last row or column was left out: H.264 and VP9 need even sides")
        if 0 in self._size:
            raise PictureError(f"{self.path}: a video of {width} x {height} cannot be written")
        rate = Fraction(of.framerate or 30).limit_denominator(1001) if of else 30
        try:
            self._stream = stream = container.add_stream(codec, rate=rate, options=dict(options))
        except self._av.codec.codec.UnknownCodecError:
            raise MissingError(f"{self.path}: this PyAV has no {codec}; choose another extension") from None
        stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
        self._ticks = of.time_base if of and of.time_base else TICKS
        stream.time_base = stream.codec_context.time_base = self._ticks
        if of and of.pixel_aspect:
            stream.codec_context.sample_aspect_ratio = of.pixel_aspect
        self._full = of.full_range if of else True
        context = stream.codec_context
        context.color_range = pyav.FULL if self._full else pyav.LIMITED
        context.colorspace = _MATRIX_BT601
        context.color_primaries, context.color_trc = _PRIMARIES_BT709, _TRANSFER_SRGB
        if of:
            self._sound = self._stack.enter_context(Sound(of.path, container))
            self.notes += self._sound.notes
        else:
            self._zero = shot.seconds
        self._container = container

    def _picture(self, shot: Shot) -> Any:
        width, height = self._size
        picture = self._av.VideoFrame(width, height, "yuv420p")
        for plane, values in zip(
            picture.planes, _planes(shot.frame, self._size, full=self._full), strict=True
        ):
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            rows[: values.shape[0], : values.shape[1]] = values
        # Two frames of one moment would stop the container; the second comes a tick later.
        self._last = max(self._last + 1, round((shot.seconds - self._zero) / self._ticks))
        picture.pts, picture.time_base = self._last, self._ticks
        picture.color_range = pyav.FULL if self._full else pyav.LIMITED
        picture.colorspace = _MATRIX_BT601
        return picture


def _planes(frame: ColorFrame, size: tuple[int, int], *, full: bool) -> tuple[U8, U8, U8]:
    """Y of this size, Cb and Cr of half of it; in limited range unless `full`."""
    gray = frame.y
    if (gray.width & ~1, gray.height & ~1) == size:
        gray = gray.crop((0, 0, *size))
    else:
        gray = gray.resize(size, Image.Resampling.BILINEAR)
    y = np.asarray(gray)
    cb, cr = replace(frame, y=gray).half_planes()
    return (y, cb, cr) if full else (_LIMITED_LUMA[y], _LIMITED_CHROMA[cb], _LIMITED_CHROMA[cr])


_LEVELS = np.arange(256)
_LIMITED_LUMA = np.rint(_LEVELS * (pyav.LIMITED_LUMA / 255) + pyav.LIMITED_BLACK).astype(np.uint8)
_LIMITED_CHROMA = np.rint(
    (_LEVELS - upsampling.NEUTRAL) * (pyav.LIMITED_CHROMA / 255) + upsampling.NEUTRAL
).astype(np.uint8)


def _close(container: Any, av: Any) -> None:
    with suppress(av.error.FFmpegError):
        container.close()
