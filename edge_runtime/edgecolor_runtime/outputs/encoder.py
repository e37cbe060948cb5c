"""The encoder of one video file: colored frames in, packets in a container out.

Luma is written in the range in which it was read. Its values stay the same. Chroma is written at half size,
without a conversion to RGB. Chroma is BT.601 and the file is tagged accordingly: the matrix is SMPTE 170M,
primaries and transfer are sRGB, and the range is specified.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import NEUTRAL, U8
from edgecolor_runtime.errors import MissingError, PictureError, UsageError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.media.timeline import RisingTicks
from edgecolor_runtime.sources.frames import Film

_X264 = {"preset": "veryfast", "crf": "20"}
_VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "32", "b": "0"}


@dataclass(frozen=True)
class Container:
    """A container and the encoder of its pictures.

    Attributes:
        name: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        codec_options: options of the encoder.
        options: options of the container.
    """

    name: str
    codec: str
    codec_options: Mapping[str, str]
    options: Mapping[str, str] = field(default_factory=dict)

    def with_key_frames(self, frames: int) -> Container:
        """Return the container with a key frame at least every so many frames."""
        return replace(self, codec_options={**self.codec_options, "g": str(frames)})

    def in_parts(self) -> Container:
        """Return the container for a recording: in short parts, and no frame waits in the encoder."""
        return replace(
            self,
            codec_options={**self.codec_options, **_NO_DELAY[self.codec]},
            options=_FRAGMENTS[self.name],
        )


FORMATS = {
    ".mp4": Container("mp4", "libx264", _X264),
    ".m4v": Container("mp4", "libx264", _X264),
    ".mov": Container("mov", "libx264", _X264),
    ".mkv": Container("matroska", "libx264", _X264),
    ".webm": Container("webm", "libvpx-vp9", _VP9),
}
"""File extension -> container. All of these containers keep any time stamp."""

FRAGMENT_SECONDS = 1
"""A recording is written in parts of this length. Each part is playable as soon as it is written."""

_FRAGMENTED_MP4 = {
    "movflags": "empty_moov+default_base_moof",
    "frag_duration": str(FRAGMENT_SECONDS * 1_000_000),
    "flush_packets": "1",
}
_SHORT_CLUSTERS = {"cluster_time_limit": str(FRAGMENT_SECONDS * 1000), "flush_packets": "1"}
_FRAGMENTS = {
    "mp4": _FRAGMENTED_MP4,
    "mov": _FRAGMENTED_MP4,
    "matroska": _SHORT_CLUSTERS,
    "webm": _SHORT_CLUSTERS,
}
"""Container -> its options for a recording."""

_NO_DELAY = {
    "libx264": {"tune": "zerolatency", "g": "60"},
    "libvpx-vp9": {"lag-in-frames": "0", "g": "60"},
}
"""Encoder -> its options for a recording: no frame waits in the encoder for later frames."""

_SEGMENT_CONTAINER = "nut"
_SEGMENT_OPTIONS = {
    "avoid_negative_ts": "disabled"
}  # it stores no decoding times, and would shift the pictures

TICK = Fraction(1, 90_000)
"""Unit of the time stamps in seconds, for a camera and for a video without a time base."""

# ITU-T H.273, tables 2 to 4.
_MATRIX_BT601 = 6
_PRIMARIES_BT709 = 1
_TRANSFER_SRGB = 13

_CAMERA_FRAMERATE = 30  # nominal; each frame has its own time stamp


def refuse_format(path: Path) -> None:
    """Raise UsageError if the extension of a path is not one of a supported container."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: cannot write {path.suffix or 'this'} video. Use {', '.join(FORMATS)}.")


@dataclass(frozen=True)
class EncoderSettings:
    """How a video file is encoded.

    Attributes:
        source: the video or the pictures that are colored. Time base, range and pixel aspect ratio are kept.
            None: the frames come from a camera.
        start_seconds: time of a frame that gets time stamp 0.
        is_recording: write the file in short parts, each playable as soon as it is written.
        is_segment: write a segment of a film, in a container that keeps every time stamp exactly.
        after_tick: time stamp of the frame before the first one.
        container: the container; None: by the extension of the file.
    """

    source: Film | None = None
    start_seconds: float = 0.0
    is_recording: bool = False
    is_segment: bool = False
    after_tick: int = -1
    container: Container | None = None


class VideoEncoder:
    """Encodes colored frames into one file. Errors of writing are those of FFmpeg.

    Args:
        target: the file to write to, or the address of a server.
        path: the final name of the file. Its extension selects the container, unless the settings have one,
            and messages name it.
        size: width and height of the first frame in pixels. Other frames are scaled to that size.
        settings: how the file is encoded.

    Attributes:
        container: PyAV's container.
        notes: what the user should know about the file, one sentence each.

    Raises:
        MissingError: PyAV lacks the encoder.
        PictureError: the frames are too small.
        av.error.FFmpegError: the file cannot be opened.
    """

    def __init__(
        self, target: Path | str, path: Path | str, size: tuple[int, int], settings: EncoderSettings
    ) -> None:
        self._av = pyav.load()
        self.notes: list[str] = []
        container = settings.container or FORMATS[Path(path).suffix.lower()]
        if settings.is_recording:
            container = container.in_parts()
        width, height = size
        self._size = width & ~1, height & ~1  # H.264 and VP9 in 4:2:0 need even sides
        if self._size != size:
            self.notes.append("its last row or column was left out: H.264 and VP9 need even sides")
        if 0 in self._size:
            raise PictureError(f"{path}: a video of {width} x {height} pixels cannot be written")
        if settings.is_segment:
            container = replace(container, name=_SEGMENT_CONTAINER, options=_SEGMENT_OPTIONS)
        self.container = self._av.open(
            pyav.local_file(target) if isinstance(target, Path) else target,
            "w",
            format=container.name,
            container_options=dict(container.options),
        )
        source = settings.source
        self._start_seconds = settings.start_seconds
        self._full_range = source.full_range if source else True
        self._tick = source.time_base if source and source.time_base else TICK
        self._ticks = RisingTicks(self._tick, after=settings.after_tick)
        try:
            self._stream = self._add_stream(container, source)
        except self._av.codec.codec.UnknownCodecError:
            self.close()
            raise MissingError(
                f"{path}: this PyAV has no {container.codec} encoder. Choose another extension."
            ) from None

    def encode(self, frame: ColorFrame, seconds: float) -> None:
        """Append a frame.

        Raises:
            av.error.FFmpegError: the file cannot be written.
        """
        self.container.mux(self._stream.encode(self._to_video_frame(frame, seconds)))

    @property
    def last_tick(self) -> int:
        """Time stamp of the last frame."""
        return self._ticks.last

    def append(self, packet: Any) -> None:
        """Append an encoded frame of another encoder with the same settings.

        Raises:
            av.error.FFmpegError: the file cannot be written.
        """
        packet.stream = self._stream
        self.container.mux(packet)

    def flush(self) -> None:
        """Write the frames that wait in the encoder.

        Raises:
            av.error.FFmpegError: the file cannot be written.
        """
        self.container.mux(self._stream.encode(None))

    def close(self) -> None:
        """Close the file, also if it cannot be written any more. May be called twice."""
        with suppress(self._av.error.FFmpegError):
            self.container.close()

    def _add_stream(self, container: Container, source: Film | None) -> Any:
        rate = (
            Fraction(source.framerate or _CAMERA_FRAMERATE).limit_denominator(1001)
            if source
            else _CAMERA_FRAMERATE
        )
        stream = self.container.add_stream(container.codec, rate=rate, options=dict(container.codec_options))
        stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._tick
        if source and source.pixel_aspect:
            stream.codec_context.sample_aspect_ratio = source.pixel_aspect
        context = stream.codec_context
        context.color_range = pyav.FULL if self._full_range else pyav.LIMITED
        context.colorspace = _MATRIX_BT601
        context.color_primaries, context.color_trc = _PRIMARIES_BT709, _TRANSFER_SRGB
        return stream

    def _to_video_frame(self, frame: ColorFrame, seconds: float) -> Any:
        width, height = self._size
        video_frame = self._av.VideoFrame(width, height, "yuv420p")
        for plane, values in zip(
            video_frame.planes, _planes(frame, self._size, full_range=self._full_range), strict=True
        ):
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            rows[: values.shape[0], : values.shape[1]] = values
        video_frame.pts = self._ticks.next(seconds - self._start_seconds)
        video_frame.time_base = self._tick
        video_frame.color_range = pyav.FULL if self._full_range else pyav.LIMITED
        video_frame.colorspace = _MATRIX_BT601
        return video_frame


def limited_planes(frame: ColorFrame, size: tuple[int, int]) -> tuple[U8, U8, U8]:
    """Return Y of this even size, and Cb and Cr of half this size, in limited range as cameras give them."""
    return _planes(frame, size, full_range=False)


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
_LIMITED_CHROMA = np.rint((_LEVELS - NEUTRAL) * (pyav.LIMITED_CHROMA / 255) + NEUTRAL).astype(np.uint8)
