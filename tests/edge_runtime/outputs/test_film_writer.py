"""An interrupted film is resumed: the same frames, times, colors and sound as without the interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import LiveOptions, LiveResult, LiveSession, PictureError, UsageError
from edgecolor_runtime.outputs import film_writer
from edgecolor_runtime.outputs.film_job import FilmJob

FRAMES = 90
W, H = 64, 48
RATE = 48_000
IRREGULAR = [40 * number + 13 * (number % 3) for number in range(FRAMES)]


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_writer, "SEGMENT_FRAMES", 20)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gradient that moves, at irregular times, with sound."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8), np.uint8))
    gray = np.asarray(coarse.resize((W, H), Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        track: Any = out.add_stream("aac", rate=RATE)
        for number, moment in enumerate(IRREGULAR):
            frame = av.VideoFrame.from_ndarray(np.roll(gray, number, 1), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        tone = np.sin(np.arange(4 * RATE) * 0.05).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
        sound.rate, sound.pts = RATE, 0
        out.mux([*track.encode(sound), *track.encode(None)])
    return path


def color(film: Path, output: Path, model: Path, *, stop_at: int | None = None, **options: Any) -> LiveResult:
    session = LiveSession(film, LiveOptions(every_frame=True, model=model, output=output, **options))
    return session.run(on_frame=lambda shot: session.stop() if shot.number == stop_at else None)


def read(path: Path) -> tuple[list[float], np.ndarray, list[bytes]]:
    """Return the times and pictures of a film, and the packets of its sound."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [float(frame.time or 0) for frame in frames]
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in frames]).astype(int)
    with av.open(str(path)) as container:
        sound = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    return times, pictures, sound


@pytest.mark.parametrize(
    "suffix", [".mp4", *(pytest.param(other, marks=pytest.mark.slow) for other in (".mkv", ".mov", ".webm"))]
)
def test_a_film_that_was_stopped_twice_is_the_film_that_was_not(
    film: Path, tiny_path: Path, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / f"out{suffix}"
    assert color(film, output, tiny_path, stop_at=46).resumable_frames == 47
    assert color(film, output, tiny_path, stop_at=63).resumable_frames == 64
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}.parts"]
    result = color(film, output, tiny_path)
    assert result.output == output and result.statistics.frames == FRAMES
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    color(film, tmp_path / f"whole{suffix}", tiny_path)
    times, pictures, sound = read(output)
    expected_times, expected_pictures, expected_sound = read(tmp_path / f"whole{suffix}")
    assert times == expected_times == pytest.approx(read(film)[0], abs=1e-3)
    assert sound == expected_sound and len(sound) > 100
    assert np.abs(pictures - expected_pictures).mean() < 2, "the stabilizer was warmed up"


def test_decoding_times_rise(film: Path, tiny_path: Path, tmp_path: Path) -> None:
    color(film, tmp_path / "out.mp4", tiny_path)
    with av.open(str(tmp_path / "out.mp4")) as container:
        track = container.streams.video[0]
        assert track.duration is not None and track.time_base is not None
        assert float(track.duration * track.time_base) == pytest.approx(IRREGULAR[-1] / 1000 + 0.04, abs=0.03)
        packets = [(packet.dts, packet.pts) for packet in container.demux(video=0) if packet.size]
    decoded = [dts for dts, _ in packets if dts is not None]
    assert len(decoded) == FRAMES and (np.diff(decoded) > 0).all()
    assert all(dts is not None and pts is not None and dts <= pts for dts, pts in packets)


def test_a_film_that_was_killed_is_resumed(film: Path, tiny_path: Path, tmp_path: Path) -> None:
    """A segment counts when its line is in the record. The frames after it are colored again."""
    code = (
        "import sys, time; from edgecolor_runtime import LiveOptions, LiveSession\n"
        "from edgecolor_runtime.outputs import film_writer; film_writer.SEGMENT_FRAMES = 20\n"
        "film, output, model = sys.argv[1:]\n"
        "options = LiveOptions(every_frame=True, model=model, output=output)\n"
        "wait = lambda shot: time.sleep(600) if shot.number == 50 else None\n"
        "LiveSession(film, options).run(on_frame=wait)\n"
    )
    output = tmp_path / "out.mp4"
    with subprocess.Popen([sys.executable, "-c", code, film, output, tiny_path]) as process:
        record = tmp_path / "out.mp4.parts" / "job.jsonl"
        while not (record.exists() and record.read_bytes().count(b"\n") == 3):
            assert process.poll() is None
            time.sleep(0.05)
        with pytest.raises(UsageError, match=rf"process {process.pid} writes this film at this moment"):
            color(film, output, tiny_path)
        os.kill(process.pid, signal.SIGKILL)
    session = LiveSession(film, LiveOptions(every_frame=True, model=tiny_path, output=output))
    assert session.done_before == 40
    assert session.run().statistics.frames == FRAMES
    assert len(read(output)[0]) == FRAMES
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_damaged_segment_is_made_again(film: Path, tiny_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    color(film, output, tiny_path, stop_at=65)
    second = tmp_path / "out.mp4.parts" / "000002.nut"
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 255
    second.write_bytes(data)
    with LiveSession(film, LiveOptions(every_frame=True, model=tiny_path, output=output)) as session:
        assert session.done_before == 20
        assert session.run().statistics.frames == FRAMES
    assert read(output)[0] == pytest.approx(read(film)[0], abs=1e-3)


def test_a_torn_record_counts_up_to_its_last_whole_line(film: Path, tiny_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    color(film, output, tiny_path, stop_at=45)
    record = tmp_path / "out.mp4.parts" / "job.jsonl"
    lines = record.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[0])["source"]["path"] == str(film)
    record.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    with LiveSession(film, LiveOptions(every_frame=True, model=tiny_path, output=output)) as session:
        assert session.done_before == 20


def test_other_options_and_another_film_start_again(film: Path, tiny_path: Path, tmp_path: Path) -> None:
    output, copy = tmp_path / "out.mp4", tmp_path / "copy.mkv"
    copy.write_bytes(film.read_bytes())
    color(copy, output, tiny_path, stop_at=45)
    with LiveSession(
        copy, LiveOptions(every_frame=True, model=tiny_path, output=output, threads=1, force=True)
    ) as session:
        assert session.done_before == 46, "options that do not change the frames"
    result = color(copy, output, tiny_path, stop_at=30, saturation=0.5)
    assert result.resumable_frames == 31
    assert "an earlier run with other options or another film was started again" in result.notes
    copy.write_bytes(film.read_bytes() + b"\0")
    with LiveSession(
        copy, LiveOptions(every_frame=True, model=tiny_path, output=output, saturation=0.5)
    ) as session:
        assert session.done_before == 0


def test_an_error_names_what_is_done(
    film: Path, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    begun: list[int] = []
    add = FilmJob.add

    def add_two(self: FilmJob, *values: Any, **options: Any) -> None:
        begun.append(1)
        (full if len(begun) == 3 else add)(self, *values, **options)

    monkeypatch.setattr(FilmJob, "add", add_two)
    with pytest.raises(PictureError, match=r"No space left on device\. 40 frames are done; the same command"):
        color(film, tmp_path / "out.mp4", tiny_path)
    monkeypatch.undo()
    assert color(film, tmp_path / "out.mp4", tiny_path).statistics.frames == FRAMES
