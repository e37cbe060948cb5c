"""Videos that are cut off: they are colored, and the missing frames are counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from .films import H, W, frames_of

FRAMES = 50


def video(path: Path, *, codec: str = "mpeg4", frames: int = FRAMES, seconds_of_audio: float = 0) -> None:
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
    assert FRAMES * (share - 0.2) < left < FRAMES
    missing = re.search(
        r"the file is cut off: (\d+) of (\d+) frames are missing\. out\.mkv has", captured.err
    )
    assert missing is not None, captured.err
    assert abs(int(missing[2]) - FRAMES) <= 1 and int(missing[2]) - int(missing[1]) == left


@pytest.mark.parametrize(
    "name", ["whole.mp4", "whole.mkv", "whole.avi", "whole.ts", "whole.webm", "whole.flv"]
)
def test_a_whole_video_misses_no_frame(here: Path, run: Callable[..., int], name: str) -> None:
    """Also if its sound is longer than its pictures, or if it was not read to its end."""
    codec = {".webm": "libvpx", ".flv": "flv"}.get(Path(name).suffix, "mpeg4")
    video(here / name, codec=codec, seconds_of_audio=0 if name.endswith(("webm", "flv")) else 4)
    assert run(name, "-o", "out.mkv") == 0
    assert run(name, "-o", "out.mkv", "--frames", 5, "--force") == 0


def test_a_cut_off_recording_without_a_promise_is_colored(here: Path, run: Callable[..., int]) -> None:
    """A transport stream promises nothing. Neither does a recording that was killed."""
    video(here / "whole.ts")
    data = (here / "whole.ts").read_bytes()
    (here / "cut.ts").write_bytes(data[: len(data) // 2])
    assert run("cut.ts", "-o", "out.mp4") == 0
    assert 0 < len(frames_of(here / "out.mp4")) < FRAMES
