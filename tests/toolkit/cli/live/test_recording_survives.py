"""Recordings that are killed, hung up, or run out of disk space at random moments; segments and quotas."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import ColorFrame, PictureError, Shot, UsageError
from edgecolor_runtime.outputs import recording

MODEL = Path(__file__).parents[3] / "edge_runtime" / "data" / "tiny-int8.tflite"
FRAMERATE = 20
MAX_MISSING_SECONDS = 2.0
ENDS = ("kill", "hangup", "full disk")
RECORD = """
import sys
from edgecolor.cli import main
from edgecolor_runtime.outputs.recording import RecordingWriter

write = RecordingWriter.write

def write_and_print(self, shot):
    write(self, shot)
    print(shot.seconds, flush=True)

RecordingWriter.write = write_and_print
sys.exit(main(sys.argv[1:]))
"""
"""The command, which prints the time of each frame after it was written."""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that differ, to be played like a camera."""
    folder = tmp_path_factory.mktemp("camera")
    rng = random.Random(0)
    for number in range(30):
        Image.frombytes("L", (160, 120), rng.randbytes(160 * 120)).save(folder / f"{number:02}.png")
    return folder


def times_in(path: Path) -> list[float]:
    """Return the time stamps of the frames that can be decoded."""
    times = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                times += [frame.time for frame in packet.decode()]
            except av.error.InvalidDataError:  # the last frame of a full disk is cut off
                break
    return times


@dataclass(frozen=True)
class Ended:
    """A recording that has ended: exit code, messages, and the seconds that it had written."""

    code: int
    error: str
    seconds: float


def record(pictures: Path, output: Path, end: str, seconds: float) -> Ended:
    """Record, and end the recording as named after some seconds."""
    words = ["run", "--camera", str(pictures), "--framerate", str(FRAMERATE), "-o", str(output), "--quiet"]
    words += ["--model", str(MODEL), "--threads", "1"]
    limit = round(seconds * 200_000)  # these pictures need about 400,000 bytes per second

    def limit_size() -> None:
        if end == "full disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = subprocess.Popen(
        [sys.executable, "-c", RECORD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit_size,  # noqa: PLW1509 - setrlimit takes no lock
    )
    assert process.stdout is not None
    first = last = float(process.stdout.readline())
    deadline = time.monotonic() + (60 if end == "full disk" else seconds)
    for line in process.stdout:
        if time.monotonic() >= deadline:
            break
        last = float(line)
    if end != "full disk":
        process.send_signal(signal.SIGKILL if end == "kill" else signal.SIGHUP)
    rest, error = process.communicate(timeout=30)
    whole_lines = rest.split("\n")[:-1]
    times = [float(line) for line in whole_lines if line[:1].isdigit()]
    return Ended(process.returncode, error, (times[-1] if times else last) - first)


def check(pictures: Path, output: Path, end: str, seconds: float) -> float:
    """Record, end it, and return the number of seconds that are missing."""
    ended = record(pictures, output, end, seconds)
    error = ended.error
    assert ended.code == {"kill": -9, "hangup": 129, "full disk": 1}[end], error
    assert "Traceback" not in error
    assert [path.name for path in output.parent.iterdir()] == [output.name], "nothing else is left"
    if end == "full disk":
        assert error.startswith(f"edgecolor: {output}: cannot be written: File too large. The disk is full: ")
        assert error.endswith("What was recorded before is kept in this file.\n") and error.count("\n") == 1
    times = times_in(output)
    assert times and times[0] == 0 and times == sorted(times)
    missing = ended.seconds - times[-1]
    print(f"{end} {output.suffix}: {ended.seconds:.2f} s recorded, {missing:.2f} s missing")
    assert missing <= MAX_MISSING_SECONDS
    return missing


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("end", ENDS)
def test_a_recording_survives(pictures: Path, tmp_path: Path, end: str, suffix: str) -> None:
    missing = check(pictures, tmp_path / f"out{suffix}", end, random.uniform(2, 3.5))
    assert end != "hangup" or missing < 0.1, "an orderly end loses nothing"


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(20))
def test_a_recording_survives_twenty_times(pictures: Path, tmp_path: Path, attempt: int) -> None:
    suffix = (".mp4", ".mkv", ".mov", ".webm")[attempt % 4]
    check(pictures, tmp_path / f"out{suffix}", ENDS[attempt % 3], random.uniform(1.2, 12))


def test_a_disk_that_is_full_from_the_start(pictures: Path, tmp_path: Path) -> None:
    words = ["run", "--camera", str(pictures), "-o", "out.mp4", "--model", str(MODEL), "--threads", "1"]
    process = subprocess.run(
        [sys.executable, "-m", "edgecolor", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    assert process.returncode == 1
    assert process.stderr.endswith("Nothing was recorded in this file.\n")
    assert list(tmp_path.iterdir()) == []


def test_segments_and_quota(
    pictures: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--camera", pictures, "--framerate", FRAMERATE, "-o", tmp_path / "door.mp4"]
    assert run(*words, "--segment", 1, "--frames", 50) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) >= 3, "more, if the machine is busy and frames are dropped"
    assert names == [f"door-00000{number}.mp4" for number in range(1, len(names) + 1)]
    lengths = [len(times_in(tmp_path / name)) for name in names]
    assert sum(lengths) == 50 and max(lengths) <= FRAMERATE + 1
    assert times_in(tmp_path / names[1])[0] == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / names[-1]}\n"
    assert f"{len(names)} segments were written, from door-000001.mp4 to {names[-1]}" in captured.err

    for name in names[:2]:  # the segments of an earlier run that are large
        with (tmp_path / name).open("ab") as file:
            file.truncate(600_000)
    (tmp_path / "door-notes.mp4").write_bytes(b"not a segment")
    (tmp_path / "door-000001.txt").write_bytes(b"not a segment")
    assert run(*words, "--segment", 1, "--frames", 50, "--quota", 1) == 0
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[-1] == "door-notes.mp4" and "door-000001.txt" in left
    segments = [name for name in left if name not in ("door-notes.mp4", "door-000001.txt")]
    assert names[0] not in segments, "the oldest is deleted first"
    last = int(segments[-1].removeprefix("door-").removesuffix(".mp4"))
    assert last >= len(names) + 3
    assert segments == [f"door-{number:06}.mp4" for number in range(last + 1 - len(segments), last + 1)]
    assert sum((tmp_path / name).stat().st_size for name in segments) <= 1_100_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quota", 5, "-o", "out.mp4"], "a quota deletes the oldest segments"),
        (["--segment", 5, "-o", "folder"], "segments are video files"),
        (["--segment", 5], "segments are video files"),
    ],
)
def test_segments_that_do_not_fit(
    pictures: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    words: list[object],
    message: str,
) -> None:
    assert run("--camera", pictures, *words) == 2
    assert message in capsys.readouterr().err


def test_a_recording_takes_its_name_with_the_first_frame(tmp_path: Path) -> None:
    shot = Shot(0, ColorFrame(Image.new("L", (64, 48), 90), np.zeros((56, 56, 2), np.float32)), 5.0)
    path = tmp_path / "out.mp4"
    late = recording.RecordingWriter(path)
    path.write_text("written by another program")
    with pytest.raises(UsageError, match="exists already"):
        late.write(shot)
    assert path.read_text() == "written by another program"
    with pytest.raises(UsageError, match="exists already"):
        recording.RecordingWriter(path)
    with recording.RecordingWriter(path, force=True) as writer:
        writer.write(shot)
    assert times_in(path) == [0], "it was not finished, but it is kept"
    with recording.RecordingWriter(tmp_path / "none.mp4") as writer:
        writer.finish()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]
    with pytest.raises(PictureError, match="cannot be written"):
        recording.RecordingWriter(path / "below-a-file" / "out.mp4").write(shot)
