"""`edgecolor run` on videos and cameras: options, results, exit codes, messages, and signals."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime.sources import picamera, v4l2

MODEL = Path(__file__).parents[3] / "edge_runtime" / "data" / "tiny-int8.tflite"
W, H = 64, 48


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of forty frames with a gradient that moves, and silent audio."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    gradient = np.tile(np.linspace(30, 220, W), (H, 1)).astype(np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        track: Any = out.add_stream("aac", rate=48_000)
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.roll(gradient, number, 1), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 76_800), np.float32), "fltp", "mono")
        sound.rate, sound.pts = 48_000, 0
        out.mux(track.encode(sound))
        out.mux(track.encode(None))
    return path


@pytest.fixture
def here(tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the video in it."""
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_video_beside_the_input(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("film.mp4") == 0
    captured = capsys.readouterr()
    assert captured.out == "film.color.mp4\n"
    assert captured.err.startswith("40 frames colored, 0 dropped")
    before, after = frames_of(here / "film.mp4"), frames_of(here / "film.color.mp4")
    assert [frame.time for frame in before] == [frame.time for frame in after]
    rgb = after[20].to_ndarray(format="rgb24").astype(int)
    assert np.ptp(rgb, axis=2).mean() > 3, "there is color in it"
    assert run("film.mp4") == 2
    assert "film.color.mp4: exists already; use --force to replace it" in capsys.readouterr().err
    assert run("film.mp4", "--force", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_a_video_names_the_model_that_was_measured(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run_frames(*words: str) -> str:
        assert main(["run", "film.mp4", "--frames", "2", "--force", *words]) == 0
        return capsys.readouterr().err

    model, _ = run_frames().splitlines()
    assert re.fullmatch(r"model [sm] \(.*\): with m, a frame of 64 x 48 takes \d+ ms here; .*", model)
    assert "model" not in run_frames("-m", "s") and run_frames("-q") == ""


def test_json_and_a_part_of_a_video(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("film.mp4", "-o", "part.mkv", "--frames", 10, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["output"], report["frames"], report["size"]) == ("part.mkv", 10, [W, H])
    assert len(frames_of(here / "part.mkv")) == 10
    with av.open("part.mkv") as container:
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 48_000
    assert 0.3 < seconds < 0.6, "the sound ends with the pictures"


def test_a_video_to_rotated_pictures(here: Path, run: Callable[..., int]) -> None:
    assert run("film.mp4", "-o", "pictures", "--rotation", 90, "--frames", 3) == 0
    assert names(here / "pictures") == [f"frame-00000{number}.jpg" for number in (1, 2, 3)]
    with Image.open("pictures/frame-000001.jpg") as picture:
        assert picture.size == (H, W)
        gray = np.asarray(picture.convert("L")).astype(int)
    assert gray[5].mean() < gray[-5].mean(), "left is up"


def test_saturation_and_no_calm_change_the_video(here: Path, run: Callable[..., int]) -> None:
    assert run("film.mp4", "-o", "gray.mp4", "--saturation", 0, "--no-calm") == 0
    assert np.ptp(frames_of(here / "gray.mp4")[5].to_ndarray(format="rgb24").astype(int), axis=2).max() <= 2


def test_every_third_frame_runs_the_network(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("film.mp4", "-o", "third.mp4", "--every", 3, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] == len(frames_of(here / "third.mp4")) == len(frames_of(here / "film.mp4"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["none.mp4"], 1, "none.mp4: No such file"),
        (["film.mp4", "-o", "film.mp4", "--force"], 2, "would replace the video that is read"),
        (["film.mp4", "-o", "out.gif"], 2, "cannot write .gif video. Use .mp4"),
        (["film.mp4", "film.mp4"], 2, "a video must be the only input"),
        (["film.mp4", "--width", "320"], 2, "--width is for a camera"),
        (["film.mp4", "--timeout", "3"], 2, "--timeout is for a camera"),
        (["film.mp4", "--every", "2", "--no-calm"], 2, "--every needs --calm"),
        (["photo.png", "--every", "2"], 2, "--every is for a camera or a video"),
        (["film.mp4", "--rotation", "45"], 2, "rotation 45: expected 0, 90, 180 or 270"),
        (["film.mp4", "--delegate", "none.so"], 4, "none.so"),
        (["photo.png", "--hflip"], 2, "--hflip is for a camera or a video"),
        (["photo.png", "--stats"], 2, "--stats is for a camera or a video"),
        (["http://host/film.mp4"], 2, "to color a stream, run: edgecolor run --camera http://host/film.mp4"),
        (["--camera", "0", "1"], 2, "--camera takes one camera, not 2"),
        (["--camera", "film.mp4", "--height", "99"], 2, "this source has its own size"),
        (["--camera", "film.mp4", "-o", "photo.png"], 2, "cannot write .png video"),
        (["--camera", "film.mp4", "--host", "0.0.0.0", "--token", "a b"], 2, "token"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_clear_line(
    here: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    Image.new("L", (9, 9)).save("photo.png")
    before = names(here)
    assert run(*words) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("edgecolor: ") and message in captured.err
    assert names(here) == before


def test_frames_are_not_added_to_a_folder_with_frames(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("film.mp4", "-o", "out", "--frames", 2) == 0
    assert run("film.mp4", "-o", "out", "--frames", 1) == 2
    assert "out: holds frames already; use --force to replace them" in capsys.readouterr().err
    assert run("film.mp4", "-o", "out", "--frames", 1, "--force") == 0


def video(path: Path, *, codec: str = "mpeg4", frames: int = 100, seconds_of_audio: float = 0) -> None:
    """Write noise at 25 frames per second, the sound first, so that a cut removes pictures."""
    rng = np.random.default_rng(0)
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        track: Any = out.add_stream("aac", rate=48_000) if seconds_of_audio else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (H, W), np.uint8), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None:
            samples = np.zeros((1, round(seconds_of_audio * 48_000)), np.float32)
            sound = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            sound.rate, sound.pts = 48_000, 0
            out.mux(track.encode(sound))
            out.mux(track.encode(None))


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mov", "cut.mkv", "cut.webm", "cut.avi"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_video_is_colored_and_the_missing_frames_are_counted(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str], name: str, share: float
) -> None:
    path = here / name
    faststart = here / "whole.mp4" if name == "cut.mov" else path  # MOV is the same container
    codec = {".webm": "libvpx", ".flv": "flv"}.get(path.suffix, "mpeg4")
    video(faststart, codec=codec)
    assert run(faststart, "-o", "whole.mkv") == 0
    data = faststart.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    capsys.readouterr()
    assert run(path, "-o", "out.mkv") == 1
    captured = capsys.readouterr()
    assert captured.out == "out.mkv\n"
    left = len(frames_of(here / "out.mkv"))
    assert 100 * (share - 0.2) < left < 100
    missing = re.search(
        r"the file is cut off: (\d+) of (\d+) frames are missing\. out\.mkv has", captured.err
    )
    assert missing is not None, captured.err
    assert abs(int(missing[2]) - 100) <= 1 and int(missing[2]) - int(missing[1]) == left


@pytest.mark.parametrize(
    "name", ["whole.mp4", "whole.mkv", "whole.avi", "whole.ts", "whole.webm", "whole.flv"]
)
def test_a_whole_video_misses_no_frame(here: Path, run: Callable[..., int], name: str) -> None:
    """Also if its sound is longer than its pictures, or if it was not read to its end."""
    codec = {".webm": "libvpx", ".flv": "flv"}.get(Path(name).suffix, "mpeg4")
    video(here / name, codec=codec, seconds_of_audio=0 if name.endswith(("webm", "flv")) else 6)
    assert run(name, "-o", "out.mkv") == 0
    assert run(name, "-o", "out.mkv", "--frames", 5, "--force") == 0


def test_a_cut_off_recording_without_a_promise_is_colored(here: Path, run: Callable[..., int]) -> None:
    """A transport stream promises nothing. Neither does a recording that was killed."""
    video(here / "whole.ts")
    data = (here / "whole.ts").read_bytes()
    (here / "cut.ts").write_bytes(data[: len(data) // 2])
    assert run("cut.ts", "-o", "out.mp4") == 0
    assert 0 < len(frames_of(here / "out.mp4")) < 100


def test_list_cameras(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picamera, "is_available", lambda: False)
    monkeypatch.setattr(v4l2, "list_devices", lambda: [])
    assert run("--list-cameras") == 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(
        "no camera found. A Raspberry Pi camera: it needs picamera2, which the Python environment "
    )
    monkeypatch.setattr(
        v4l2, "list_devices", lambda: [v4l2.V4l2Device("/dev/video0", "Webcam", ("YUYV 640x480", "MJPG"))]
    )
    assert run("--list-cameras") == 0
    assert capsys.readouterr().out == "0  Webcam  /dev/video0\n     YUYV 640x480\n     MJPG\n"


def test_stats_are_lines_of_json(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    assert run("--camera", "film.mp4", "--no-preview", "--stats", "--timeout", 2.5) == 0
    seconds = time.monotonic() - begun
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert 2 <= len(lines) <= 1 + seconds  # at most one per second, and the last line
    assert [line["frames"] for line in lines] == sorted(line["frames"] for line in lines)
    assert all(line["model"] == "tiny" and line["source"] == "film.mp4" for line in lines)
    assert lines[-1]["output"] is None and lines[-1]["frames"] > 0


def test_the_preview_is_served_and_the_ssh_command_is_printed(
    here: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client requests the statistics while frames are colored."""
    from edgecolor_runtime.preview import server

    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.2 50000 10.0.0.9 22")
    monkeypatch.setattr("getpass.getuser", lambda: "pi")
    seen: dict[str, Any] = {}
    show = server.Preview.show

    def visited(self: server.Preview, shot: Any) -> None:
        show(self, shot)
        if shot.number == 5:
            with urllib.request.urlopen(f"{self.address}statistics", timeout=60) as answer:
                seen.update(json.load(answer))

    monkeypatch.setattr(server.Preview, "show", visited)
    assert run("--camera", "film.mp4", "--port", 0, "--frames", 8) == 0
    error = capsys.readouterr().err.splitlines()
    address = error[0].removeprefix("watch it at ")
    port = address.rstrip("/").rpartition(":")[2]
    assert error[1] == (f"first, on the machine that you sit at: ssh -L {port}:127.0.0.1:{port} pi@10.0.0.9")
    assert seen["frames"] >= 4 and seen["source"] == "film.mp4"
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=2)


# Stopped by a signal: each test runs a process of its own.


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


def test_tokens_that_are_refused(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "token").write_text("short")
    (here / "binary").write_bytes(b"\xff" * 20)
    camera = ["--camera", "film.mp4", "--frames", "1"]
    for words, message in (
        ([*camera, "--token-file", "token"], "this token has 5 characters: use at least 16"),
        ([*camera, "--token-file", "none"], "--token-file none: No such file or directory"),
        ([*camera, "--token-file", "binary"], "--token-file binary: not a text file"),
        ([*camera, "--token", "x", "--token-file", "token"], "--token and --token-file are both given"),
        (["photo.png", "--token-file", "token"], "--token-file is for a camera or a video"),
    ):
        assert run(*words) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setenv("EDGECOLOR_TOKEN", "short")
    assert run(*camera) == 2
    assert "this token has 5 characters" in capsys.readouterr().err


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
            time.sleep(0.5)
        assert process.returncode == 130
