"""`edgecolor run` on videos and cameras, in processes of their own: signals, a full disk, secrets."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from .films import MODEL, frames_of, names


def line(*words: object) -> list[str]:
    return [
        *(sys.executable, "-m", "edgecolor", "run", *map(str, words)),
        *("--model", str(MODEL), "--threads", "1"),
    ]


@pytest.fixture
def start(here: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started = []

    def command(*words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            line(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield command
    for process in started:
        process.kill()
        process.communicate()


def wait_for_frames(process: subprocess.Popen[str]) -> None:
    """Wait for the first line of --stats."""
    assert process.stdout is not None
    timer = threading.Timer(60, process.kill)
    timer.start()
    assert json.loads(process.stdout.readline())["frames"] > 0
    timer.cancel()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_stopped_camera_leaves_a_whole_file(
    here: Path, start: Callable[..., subprocess.Popen[str]], number: int, code: int
) -> None:
    process = start("--camera", "film.mp4", "-o", "out.mp4", "--stats")
    wait_for_frames(process)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    frames = json.loads(out.splitlines()[-1])["frames"]
    assert "Traceback" not in error
    assert len(frames_of(here / "out.mp4")) == frames
    assert names(here) == ["film.mp4", "out.mp4"]


@pytest.fixture(scope="session")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that takes long to color: the same frame many times."""
    path = tmp_path_factory.mktemp("long") / "long.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        rng = np.random.default_rng(0)
        frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (240, 320), np.uint8), format="gray")
        (packet,) = stream.encode(frame.reformat(format="yuvj420p"))
        for number in range(5000):
            copy = av.Packet(bytes(packet))
            copy.pts = copy.dts = number
            copy.time_base, copy.stream = Fraction(1, 25), stream
            out.mux(copy)
    return path


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_stopped_video_leaves_nothing_under_its_name(
    here: Path, long_film: Path, start: Callable[..., subprocess.Popen[str]], number: int, code: int
) -> None:
    process = start(long_film, "-o", "out.mp4", "--stats")
    wait_for_frames(process)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert "Traceback" not in error and "output" not in out
    assert not (here / "out.mp4").exists()
    left = [name for name in names(here) if name.endswith(".part")]
    assert len(left) == (1 if number == signal.SIGKILL else 0)


def test_a_full_disk(here: Path) -> None:
    """The size of files is limited to 2000 bytes."""
    done = subprocess.run(
        line("film.mp4", "-o", "out.mkv"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    assert done.returncode == 1
    assert done.stderr.startswith("edgecolor: out.mkv: cannot be written: File too large")
    assert names(here) == ["film.mp4"]


@pytest.mark.parametrize("source", ["option", "file", "variable"])
def test_the_token_of_the_page(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    token = "a-token-of-our-own"
    (here / "token").write_text(f"{token}\n")
    if source == "variable":
        monkeypatch.setenv("EDGECOLOR_TOKEN", token)
    words = {"option": ["--token", token], "file": ["--token-file", "token"], "variable": []}[source]
    done = subprocess.run(
        line("--camera", "film.mp4", "--port", 0, "--frames", 2, *words),
        capture_output=True,
        text=True,
        check=False,
    )
    shown = token if source == "option" else "***"  # in a journal, a secret from a file stays one
    assert done.returncode == 0 and done.stderr.splitlines()[0].endswith(f"/?token={shown}")


def test_a_second_interrupt_does_not_wait(here: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    """A frame takes very long. The first Ctrl-C waits for it, the second does not."""
    code = (
        "import sys, time; from edgecolor.cli import main; from edgecolor_runtime import LiveSession\n"
        "LiveSession._show = lambda *_: (print('stuck', flush=True), time.sleep(600))\n"
        f"sys.exit(main(['run', '--camera', 'film.mp4', '--no-preview', '--model', {str(MODEL)!r}]))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        while process.poll() is None:  # two signals become one if the process did not run between them
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)  # a third signal must not meet an interpreter that is ending
        assert process.returncode == 130
