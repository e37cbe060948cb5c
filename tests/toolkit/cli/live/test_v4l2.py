"""V4L2 cameras and the messages of their failures. Errors are raised where PyAV would raise them."""

from __future__ import annotations

import errno
import os
import sys
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edgecolor_runtime.sources import v4l2, video

W, H = 64, 48


@pytest.fixture
def no_pi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without picamera2 and without V4L2 devices."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(v4l2.list_devices, "__defaults__", (tmp_path / "none", tmp_path, lambda *_: None))
    return tmp_path


def av_error(number: int) -> Exception:
    try:
        av.error.err_check(-number)
    except av.error.FFmpegError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EBUSY, "in use by another program. End that program first."),
        (errno.EACCES, "no permission to open it. Join its group"),
        (errno.ENODEV, "the camera is gone. Check its cable."),
        (errno.EIO, "the camera is gone"),
        (errno.EINVAL, "the camera refuses the settings. Leave out --width"),
        (errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_v4l2_open_fails(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    message: str,
    watch: Callable[..., int],
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise av_error(number)

    monkeypatch.setattr(av, "open", refuse)
    assert watch("/dev/video0") == 4
    error = capsys.readouterr().err
    assert error.startswith(f"edgecolor: /dev/video0: {message}") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/video77", "/dev/video77: no such camera"),
        ("/dev/null", "/dev/null: not a V4L2 camera"),
        ("", "no camera found. A Raspberry Pi camera: it needs picamera2, which the Python environment"),
        ("3", "no camera found"),
        ("webcam", "webcam: no such file, and no camera found"),
    ],
)
def test_there_is_no_such_camera(
    no_pi: Path, capsys: pytest.CaptureFixture[str], name: str, message: str, watch: Callable[..., int]
) -> None:
    assert watch(*[name] if name else []) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"edgecolor: {message}") and error.count("\n") == 1


def camera_of(frames: int, then: Exception | None, pipe: tuple[int, int]) -> Any:
    """Return what av.open returns for a V4L2 camera: some frames, then an error, or no more data."""
    video_stream = types.SimpleNamespace(
        thread_count=0,
        average_rate=Fraction(30),
        guessed_rate=None,
        disposition=types.SimpleNamespace(value=0),
        codec_context=types.SimpleNamespace(color_trc=0),
        width=W,
        height=H,
    )

    class Packet:
        stream = video_stream

        def decode(self) -> list[Any]:
            frame = av.VideoFrame.from_ndarray(np.full((H, W), 90, np.uint8), format="gray")
            return [frame]

    def demux() -> Iterator[Packet]:
        for number in range(frames):
            if number == frames - 1 and then is None:
                os.read(pipe[0], 1)  # from now on nothing is there to be read
            yield Packet()
        assert then is not None, "a camera without a frame was read, which blocks without end"
        raise then

    return types.SimpleNamespace(
        streams=types.SimpleNamespace(video=[video_stream]), demux=demux, close=lambda: None
    )


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENODEV, "the camera is gone. Check its cable."), (None, "no frame for 0.7 s")],
    ids=["unplugged", "stalls"],
)
def test_v4l2_goes_away(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int | None,
    message: str,
    watch: Callable[..., int],
) -> None:
    pipe = os.pipe()
    try:
        os.write(pipe[1], b"x")
        camera = camera_of(3, av_error(number) if number else None, pipe)
        monkeypatch.setattr(av, "open", lambda *_, **__: camera)
        monkeypatch.setattr(video, "_open_descriptors", lambda device: [pipe[0]])
        assert watch("/dev/video0") == 4
    finally:
        os.close(pipe[0])
        os.close(pipe[1])
    assert f"/dev/video0: {message}" in capsys.readouterr().err
