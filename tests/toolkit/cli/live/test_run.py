"""`edgecolor run` on videos and cameras: options, results, exit codes and messages."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime.sources import picamera, v4l2

from .films import H, W, frames_of, names


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
