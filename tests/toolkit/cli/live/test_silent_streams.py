"""Streams that go silent: pictures stop while sound continues, servers die, cameras return, logins fail."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import av
import pytest

MODEL = Path(__file__).parents[3] / "edge_runtime" / "data" / "tiny-int8.tflite"
STALL_SECONDS = 2
LONG_SECONDS = 600  # a test that waits for this stall fails
SERVER = Path(__file__).with_name("rtsp_camera.py")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def port() -> int:
    """A port on which nothing listens yet."""
    return free_port()


@pytest.fixture
def camera(port: int) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Returns the function that starts an RTSP camera on the port."""
    with ExitStack() as stack:

        def start(*arguments: object) -> subprocess.Popen[str]:
            words = [sys.executable, str(SERVER), str(port), *map(str, arguments)]
            process = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            return process

        yield start


class Recording:
    """`edgecolor run --camera` in a process of its own, and what it printed up to now."""

    def __init__(self, address: str, *arguments: object, stall_seconds: float) -> None:
        words = ["run", "--camera", address, "--stats", "--model", str(MODEL), "--threads", "1"]
        code = (
            "import sys; from edgecolor.cli import main; from edgecolor_runtime.sources import latest\n"
            f"latest.STALL_SECONDS = {stall_seconds}\n"
            f"sys.exit(main({[*words, *map(str, arguments)]!r}))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.frames: list[tuple[float, int]] = []
        self.errors = ""
        streams = ((self.process.stdout, self._read_stats), (self.process.stderr, self._read_errors))
        self._threads = [threading.Thread(target=read, args=[stream]) for stream, read in streams]
        for thread in self._threads:
            thread.start()

    def _read_stats(self, stream: IO[str]) -> None:
        for line in stream:
            self.frames.append((time.monotonic(), json.loads(line)["frames"]))

    def _read_errors(self, stream: IO[str]) -> None:
        for line in stream:
            self.errors += line

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> float:
        """Wait until a condition is true. Returns the seconds that it took."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() - begun < seconds, self.errors
            time.sleep(0.02)
        return time.monotonic() - begun

    def wait_for_frames(self, more: int = 1) -> float:
        """Wait until more frames are reported. Returns the seconds that it took."""
        before = self.frames[-1][1] if self.frames else 0
        return self.wait_for(lambda: self.frames and self.frames[-1][1] >= before + more)

    def end(self, seconds: float = 60) -> int:
        """Wait for the end of the process. Returns its exit code."""
        try:
            return self.process.wait(seconds)
        finally:
            self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def record(port: int) -> Iterator[Callable[..., Recording]]:
    """Returns the function that starts a recording of the camera on the port."""
    with ExitStack() as stack:

        def start(*arguments: object, login: str = "", stall_seconds: float = STALL_SECONDS) -> Recording:
            address = f"rtsp://{login}127.0.0.1:{port}/live"
            recording = Recording(address, *arguments, stall_seconds=stall_seconds)
            stack.callback(recording.close)
            return recording

        yield start


def is_silent(recording: Recording) -> bool:
    """Return whether the last line of statistics is at least 3 seconds old: with pictures, 1 second."""
    return time.monotonic() - recording.frames[-1][0] > 3


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_pictures_stop_while_the_sound_continues(
    camera: Callable[..., object], record: Callable[..., Recording], tmp_path: Path
) -> None:
    """Without an option the command ends with 4 after the stall. The recording is kept."""
    camera("--pictures", 3)
    recording = record("-o", tmp_path / "out.mp4")
    assert recording.end() == 4
    assert f"no frame for {STALL_SECONDS} s" in recording.errors and recording.errors.count("\n") == 1
    assert frames_of(tmp_path / "out.mp4") > 20


@pytest.mark.parametrize("how", ["timeout", "interrupt"])
def test_a_recording_of_a_silent_stream_is_stopped_at_once(
    camera: Callable[..., object], record: Callable[..., Recording], tmp_path: Path, how: str
) -> None:
    """It is stopped while only the sound arrives, before the stall is noticed."""
    camera("--pictures", 2)
    limit = ["--timeout", 2.5] if how == "timeout" else []
    recording = record("-o", tmp_path / "out.mp4", *limit, stall_seconds=LONG_SECONDS)
    recording.wait_for_frames()
    recording.wait_for(lambda: is_silent(recording))
    if how == "interrupt":
        recording.process.send_signal(signal.SIGINT)
    assert recording.end() == (130 if how == "interrupt" else 0), recording.errors
    assert frames_of(tmp_path / "out.mp4") > 10


def test_the_first_interrupt_ends_a_stream_that_hangs(
    camera: Callable[..., subprocess.Popen[str]], record: Callable[..., Recording], tmp_path: Path
) -> None:
    """The server is halted: nothing arrives, and a read waits for the time limit of the stream."""
    server = camera()
    recording = record("-o", tmp_path / "out.mp4", stall_seconds=LONG_SECONDS)
    recording.wait_for_frames()
    server.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    recording.process.send_signal(signal.SIGINT)
    assert recording.end() == 130, recording.errors
    assert frames_of(tmp_path / "out.mp4") > 0


def test_a_server_that_dies_ends_the_command_with_4(
    camera: Callable[..., subprocess.Popen[str]], record: Callable[..., Recording], tmp_path: Path
) -> None:
    server = camera()
    recording = record("-o", tmp_path / "out.mp4")
    recording.wait_for_frames()
    server.kill()
    assert recording.end() == 4
    assert "the camera ended the stream" in recording.errors or "connection was lost" in recording.errors
    assert frames_of(tmp_path / "out.mp4") > 0


@pytest.mark.parametrize("away", ["killed", "silent"])
def test_reconnect_resumes_within_two_seconds(
    camera: Callable[..., subprocess.Popen[str]], record: Callable[..., Recording], away: str
) -> None:
    """The time is counted from the moment when the camera accepts connections again.

    A busy machine also takes longer to start the command, up to its first frames.
    """
    server = camera(*(["--pictures", 2] if away == "silent" else []))
    recording = record("--no-preview", "--reconnect", "--timeout", 600)
    start_seconds = recording.wait_for_frames()
    if away == "silent":
        recording.wait_for(lambda: f"no frame for {STALL_SECONDS} s" in recording.errors)
    server.kill()
    server.wait()
    recording.wait_for(lambda: "waiting for it" in recording.errors)
    time.sleep(3.3)
    before = recording.frames[-1][1]
    camera()
    seconds = recording.wait_for(lambda: recording.frames[-1][1] > before)
    assert seconds < 2 + start_seconds
    recording.process.send_signal(signal.SIGINT)
    assert recording.end() == 130


def test_reconnect_gives_up_on_a_wrong_password(
    camera: Callable[..., subprocess.Popen[str]], record: Callable[..., Recording]
) -> None:
    """The first server has no password. The one that replaces it refuses the same address."""
    server = camera()
    recording = record("--no-preview", "--reconnect", login="user:wrong-word@")
    recording.wait_for_frames()
    server.kill()
    server.wait()
    camera("--password", "user:right-word")
    assert recording.end() == 4
    assert "the camera refuses the user or the password (401)" in recording.errors
