"""`edgecolor run --camera` to HLS and to servers: what plays, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest


def test_a_camera_becomes_hls(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--camera", "film.mp4", "-o", "www/door.m3u8", "--frames", 60) == 0
    assert "www/door.m3u8" in capsys.readouterr().out
    with av.open("www/door.m3u8") as container:
        assert next(container.decode(video=0)).width > 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["film.mp4", "-o", "rtsp://u:secret@h/door"], 2, "rtsp://***@h/door is for a camera"),
        (["film.mp4", "-o", "www/door.m3u8"], 2, "www/door.m3u8 is for a camera"),
        (["--camera", "film.mp4", "-o", "http://host/door"], 2, "streams are published with RTSP"),
        (["--camera", "film.mp4", "-o", "a.m3u8", "--segment", "10s"], 2, "segments are video files"),
        (["--camera", "film.mp4", "-o", "/dev/video987"], 4, "/dev/video987: no such device"),
        (["--camera", "film.mp4", "-o", "rtsp://127.0.0.1:1/door"], 1, "cannot be sent: Connection refused"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_clear_line(
    here: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    message: str,
) -> None:
    if "/dev/video987" in words:
        monkeypatch.setitem(__import__("sys").modules, "pyvirtualcam", __import__("types").ModuleType("none"))
    assert run(*words) == code
    error = capsys.readouterr().err
    assert message in error and "secret" not in error
