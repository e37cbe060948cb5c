"""The process that encodes and sends a live stream. `StreamPublisher` starts it and feeds it with frames.

It is a process of its own because FFmpeg waits for a server while it holds Python's lock: a server that does
not answer would stop all threads.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.models.signature import CHROMA_SIZE
from edgecolor_runtime.outputs.encoder import Container, EncoderSettings, VideoEncoder
from edgecolor_runtime.sources.address import hide_secrets, is_address

SENT = b"."
"""Written to stdout after each frame."""

KEY_SECONDS = 1
"""Time between two key frames: a viewer sees the stream after at most this time."""

_HEADER = struct.Struct("<dII?")  # seconds, width, height, whether luma guides the chroma
_LIVE_X264 = {"preset": "veryfast", "tune": "zerolatency", "crf": "23"}
_RTSP = Container("rtsp", "libx264", _LIVE_X264, {"rtsp_transport": "tcp"})
_HLS = Container(
    "hls",
    "libx264",
    _LIVE_X264,
    {
        "hls_time": str(2 * KEY_SECONDS),
        "hls_list_size": "10",
        "hls_flags": "delete_segments+independent_segments+program_date_time+temp_file",
    },
)
"""Parts of two seconds. The playlist lists the last ten; older parts are deleted."""


def write_frame(pipe: IO[bytes], frame: ColorFrame, seconds: float) -> None:
    """Write a frame to the process."""
    width, height = frame.y.size
    pipe.write(_HEADER.pack(seconds, width, height, frame.seen is not None))
    pipe.write(frame.y.tobytes())
    pipe.write(frame.chroma.astype("<f4").tobytes())
    if frame.seen is not None:
        pipe.write(frame.seen.astype("<f4").tobytes())
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> tuple[ColorFrame, float] | None:
    """Read a frame and its time; None at the end of the pipe."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    seconds, width, height, guided = _HEADER.unpack(header)
    y = Image.frombytes("L", (width, height), pipe.read(width * height))
    cells = CHROMA_SIZE * CHROMA_SIZE
    chroma = np.frombuffer(pipe.read(8 * cells), "<f4").reshape(CHROMA_SIZE, CHROMA_SIZE, 2)
    seen = np.frombuffer(pipe.read(4 * cells), "<f4").reshape(CHROMA_SIZE, CHROMA_SIZE) if guided else None
    return ColorFrame(y, chroma, seen), seconds


def publish(destination: str, framerate: float) -> None:
    """Send the frames of stdin until it ends.

    Raises:
        av.error.FFmpegError, OSError: the stream cannot be sent.
        EdgecolorError: PyAV or its encoder is missing.
    """
    encoder: VideoEncoder | None = None
    container = (_RTSP if is_address(destination) else _HLS).with_key_frames(
        max(1, round(framerate * KEY_SECONDS))
    )
    target = destination if is_address(destination) else Path(destination)
    try:
        while (received := read_frame(sys.stdin.buffer)) is not None:
            frame, seconds = received
            if encoder is None:
                settings = EncoderSettings(start_seconds=seconds, container=container)
                encoder = VideoEncoder(target, hide_secrets(destination), frame.y.size, settings)
            encoder.encode(frame, seconds)
            sys.stdout.buffer.write(SENT)
            sys.stdout.buffer.flush()
        if encoder is not None:
            encoder.flush()
    finally:
        if encoder is not None:
            encoder.close()


def main() -> int:
    """Run the process: the arguments are the destination and the frames per second."""
    destination, framerate = sys.argv[1:]
    try:
        publish(destination, float(framerate))
    except EdgecolorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (pyav.load().error.FFmpegError, OSError) as error:
        print(error.strerror or error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
