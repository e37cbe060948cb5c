"""The live session as a program calls it: limits, outputs, preview, stop, and what is refused."""

from __future__ import annotations

import json
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import LiveOptions, LiveSession, UsageError, VideoWriter, open_camera
from edgecolor_runtime.colors.frame import ColorFrame, Shot
from edgecolor_runtime.errors import CameraError
from edgecolor_runtime.sources import latest
from edgecolor_runtime.sources.video import VideoFile

W, H = 64, 48


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three pictures, to be played like a camera."""
    folder = tmp_path / "camera"
    folder.mkdir()
    for number in range(3):
        Image.new("L", (W, H), 60 + 40 * number).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A video of ten frames."""
    path = tmp_path / "film.mp4"
    with VideoWriter(path) as writer:
        for number in range(10):
            gray = Image.new("L", (W, H), 60 + 10 * number)
            frame = ColorFrame(gray, np.zeros((56, 56, 2), np.float32))
            writer.write(Shot(number, frame, number / 25))
        writer.finish()
    return path


def test_a_camera_to_numbered_pictures(folder: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = LiveOptions(model=tiny_path, framerate=100, output=tmp_path / "out", max_frames=4)
    session = LiveSession(folder, options)
    assert (session.address, session.frame_count, session.statistics.frames) == (None, None, 0)
    numbers: list[int] = []
    result = session.run(on_frame=lambda shot: numbers.append(shot.number))
    assert numbers == [0, 1, 2, 3]
    assert result.output == tmp_path / "out" and result.notes == ()
    assert result.statistics == session.statistics
    assert (result.statistics.frames, result.statistics.size) == (4, (W, H))
    assert result.statistics.stages_ms["encode"] is not None
    names = [path.name for path in sorted((tmp_path / "out").iterdir())]
    assert names == [f"frame-00000{number}.jpg" for number in (1, 2, 3, 4)]


def test_every_frame_of_a_video(film: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = LiveOptions(model=tiny_path, every_frame=True, output=str(tmp_path / "colored.mkv"))
    with LiveSession(film, options) as session:
        assert (session.address, session.frame_count) == (None, 10)
        result = session.run()
    assert (result.statistics.frames, result.statistics.dropped) == (10, 0)
    assert result.output == tmp_path / "colored.mkv"
    with VideoFile(tmp_path / "colored.mkv") as colored:
        assert len(list(colored)) == 10


def test_a_video_that_is_stopped_is_resumed(film: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = LiveOptions(model=tiny_path, every_frame=True, output=tmp_path / "colored.mkv")
    session = LiveSession(film, options)
    result = session.run(on_frame=lambda shot: session.stop())
    assert result.output is None and result.statistics.frames == result.resumable_frames == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colored.mkv.parts", "film.mp4"]
    session = LiveSession(film, options)
    assert session.done_before == 1
    numbers: list[int] = []
    result = session.run(on_frame=lambda shot: numbers.append(shot.number))
    assert numbers == list(range(1, 10)) and result.statistics.frames == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colored.mkv", "film.mp4"]
    with VideoFile(tmp_path / "colored.mkv") as colored:
        assert len(list(colored)) == 10


def test_a_camera_that_is_stopped_leaves_a_whole_file(folder: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = LiveOptions(model=tiny_path, framerate=50, output=tmp_path / "out.mkv")
    session = LiveSession(folder, options)
    result = session.run(on_frame=lambda shot: session.stop() if shot.number == 2 else None)
    assert result.output == tmp_path / "out.mkv"
    with VideoFile(tmp_path / "out.mkv") as video:
        assert len(list(video)) == 3


def test_a_timeout_ends_the_session(folder: Path, tiny_path: Path) -> None:
    threads = set(threading.enumerate())
    options = LiveOptions(model=tiny_path, framerate=50, preview=False, timeout_seconds=0.3)
    result = LiveSession(folder, options).run()
    assert result.output is None and result.statistics.frames > 0
    assert set(threading.enumerate()) <= threads


def test_a_timeout_counts_from_the_first_frame(folder: Path, tiny_path: Path) -> None:
    """The first frame of this camera comes after half a second."""
    options = LiveOptions(model=tiny_path, framerate=2, preview=False, timeout_seconds=0.2)
    assert LiveSession(folder, options).run().statistics.frames == 1


def test_the_preview_is_open_until_the_session_ends(folder: Path, tiny_path: Path) -> None:
    answers: list[dict[str, object]] = []

    def visit(shot: Shot) -> None:
        if shot.number == 2:
            with urllib.request.urlopen(f"{session.address}statistics", timeout=60) as answer:
                answers.append(json.load(answer))

    session = LiveSession(folder, LiveOptions(model=tiny_path, framerate=50, port=0, max_frames=4))
    address = session.address
    assert address is not None and address.startswith("http://127.0.0.1:")
    session.run(on_frame=visit)
    assert answers[0]["frames"] == 2 and answers[0]["model"] == "tiny"
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=2)


def test_a_session_that_is_not_run_is_closed(folder: Path, tiny_path: Path) -> None:
    threads = set(threading.enumerate())
    with LiveSession(folder, LiveOptions(model=tiny_path, port=0)) as session:
        assert session.address is not None
    assert set(threading.enumerate()) <= threads


def test_a_camera_that_is_gone_is_waited_for(
    tmp_path: Path, folder: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "_RETRY_SECONDS", 0.01)
    attempts: list[int] = []
    real_open = latest.LatestFrames.__init__

    def flaky(self: latest.LatestFrames, open_source: object, **options: object) -> None:
        def open_or_fail() -> object:
            attempts.append(1)
            if len(attempts) == 1:
                raise CameraError("camera: unplugged.")
            return open_source()  # type: ignore[operator]

        real_open(self, open_or_fail, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(latest.LatestFrames, "__init__", flaky)
    messages: list[str] = []
    options = LiveOptions(model=tiny_path, framerate=50, preview=False, reconnect=True, max_frames=2)
    result = LiveSession(folder, options).run(on_message=messages.append)
    assert messages == ["camera: unplugged; waiting for it"]
    assert result.statistics.frames == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LiveOptions(every_frame=True, width=640), "width is for a camera"),
        (LiveOptions(every_frame=True, timeout_seconds=3), "timeout_seconds is for a camera"),
        (LiveOptions(width=640), "--width and --height are for cameras"),
        (LiveOptions(output="out.gif"), r"cannot write \.gif video"),
        (LiveOptions(saturation=-1), "saturation -1"),
        (LiveOptions(token="a b"), "this token is not valid"),
        (LiveOptions(port=70_000), "port 70000"),
    ],
    ids=["width", "timeout", "size of a file", "container", "saturation", "token", "port"],
)
def test_options_that_do_not_fit(film: Path, options: LiveOptions, message: str) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(UsageError, match=message):
        LiveSession(film, options)
    assert set(threading.enumerate()) <= threads


def test_every_frame_needs_a_video() -> None:
    with pytest.raises(UsageError, match="every_frame needs a video file"):
        LiveSession(None, LiveOptions(every_frame=True))


def test_open_camera_gives_gray_frames(folder: Path) -> None:
    with open_camera(str(folder), framerate=100) as camera:
        frames = [frame for _, frame in zip(range(4), camera, strict=False)]
    assert [frame.gray.getpixel((0, 0)) for frame in frames] == [60, 100, 140, 60]
    assert [frame.restarted for frame in frames] == [False, False, False, True]
    assert camera.live and list(camera) == []
