"""The video writer: luma, colors, tags, time stamps and audio; an unfinished file leaves nothing."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import ColorFrame, Colorizer, MissingError, UsageError
from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.live.loop import LiveLoop
from edgecolor_runtime.outputs.encoder import FORMATS, Container
from edgecolor_runtime.outputs.video import VideoWriter
from edgecolor_runtime.sources.latest import AllFrames
from edgecolor_runtime.sources.video import VideoFile

FFMPEG: list[str] = ["ffmpeg", "-v", "error", "-i"]
TIMES_MS = [0, 40, 80, 90, 500, 501, 900]  # irregular


def clip(
    path: Path, pixel_format: str = "yuv420p", audio: str | None = None, size: tuple[int, int] = (96, 64)
) -> Path:
    """Write a gray gradient that moves, with a tone if an audio codec is given."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        track: Any = out.add_stream(audio, rate=48_000) if audio else None
        for number, moment in enumerate(TIMES_MS):
            frame = av.VideoFrame.from_ndarray(np.roll(np.asarray(coarse), 3 * number, 1), format="gray")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None:
            tone = (np.sin(np.arange(48_000) * 0.05) * 9000).astype(np.int16)[None]
            heard = av.AudioFrame.from_ndarray(tone, "s16", "mono")
            heard.rate, heard.pts = 48_000, 0
            out.mux(track.encode(heard))
            out.mux(track.encode(None))
    return path


def color(source: Path, target: Path, colorizer: Colorizer) -> tuple[list[ColorFrame], VideoWriter]:
    video = VideoFile(source)
    frames = []
    with VideoWriter(target, source=video) as writer:
        for shot in LiveLoop(AllFrames(video), colorizer):
            frames.append(shot.frame)
            writer.write(shot)
        writer.finish()
    return frames, writer


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p"])
def test_luma_tags_and_times(tmp_path: Path, colorizer: Colorizer, suffix: str, pixel_format: str) -> None:
    if pixel_format == "yuvj420p" and suffix not in (".mp4", ".webm"):
        pytest.skip("one container of each encoder is enough")
    source, target = clip(tmp_path / "in.mkv", pixel_format), tmp_path / f"out{suffix}"
    frames, writer = color(source, target, colorizer)
    result = decoded(target)
    assert [round(frame.time * 1000) for frame in result] == TIMES_MS
    back = list(VideoFile(target))
    for before, after in zip(frames, back, strict=True):
        difference = np.abs(np.asarray(before.y).astype(int) - np.asarray(after.gray))
        assert difference.mean() < 1.5
    with av.open(str(target)) as container:
        tags = container.streams.video[0].codec_context
        assert (tags.colorspace, tags.color_primaries, tags.color_trc) == (6, 1, 13)
        assert tags.color_range == (2 if pixel_format == "yuvj420p" else 1)
    assert writer.notes == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", f"out{suffix}"]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p"])
def test_a_player_shows_the_colors(tmp_path: Path, colorizer: Colorizer, pixel_format: str) -> None:
    """FFmpeg converts the file to RGB by its tags."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg")
    frames, _ = color(clip(tmp_path / "in.mkv", pixel_format), tmp_path / "out.mp4", colorizer)
    words = [
        str(tmp_path / "out.mp4"),
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    done = subprocess.run([*FFMPEG, *words], capture_output=True, check=True)
    played = np.frombuffer(done.stdout, np.uint8).reshape(-1, 64, 96, 3)
    assert len(played) == len(frames)
    for shown, frame in zip(played, frames, strict=True):
        wanted = np.asarray(frame.to_rgb()).astype(int)
        assert np.ptp(wanted, axis=2).mean() > 10
        assert np.abs(shown.mean((0, 1)) - wanted.mean((0, 1))).max() < 1.5
        assert np.abs(shown - wanted).mean() < 4


def test_limited_luma_survives_both_ways() -> None:
    from edgecolor_runtime.media.pyav import _EXPAND_LUMA
    from edgecolor_runtime.outputs.encoder import _LIMITED_LUMA

    levels = np.arange(16, 236)
    assert (_LIMITED_LUMA[_EXPAND_LUMA[levels]] == levels).all()


@pytest.mark.parametrize(
    ("suffix", "audio", "out", "codec", "kept"),
    [
        (".mp4", "aac", ".mp4", "aac", True),
        (".mkv", "libopus", ".webm", "opus", True),
        (".mkv", "pcm_s16le", ".mkv", "pcm_s16le", True),
        (".mkv", "pcm_s16le", ".mp4", "aac", False),
        (".mp4", "aac", ".webm", "opus", False),
    ],
)
def test_audio(
    tmp_path: Path, colorizer: Colorizer, suffix: str, audio: str, out: str, codec: str, kept: bool
) -> None:
    source, target = clip(tmp_path / f"in{suffix}", audio=audio), tmp_path / f"out{out}"
    _, writer = color(source, target, colorizer)
    with av.open(str(target)) as container:
        (track,) = container.streams.audio
        assert track.codec.canonical_name == codec
        samples = sum(frame.samples for frame in container.decode(track))
    assert 0.9 < samples / 48_000 < 1.2
    assert (audio_packets(source) == audio_packets(target)) is kept
    assert bool(writer.notes) is not kept
    assert kept or "encoded again" in writer.notes[0]


def test_rotated_pixels_and_oblong_ones(tmp_path: Path, colorizer: Colorizer) -> None:
    """A portrait video of a phone, recorded with pixels that are twice as high as wide."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg")
    clip(tmp_path / "in.mp4")
    subprocess.run(
        [
            *[
                *FFMPEG,
                str(tmp_path / "in.mp4"),
                "-c",
                "copy",
                "-aspect",
                "3:1",
                "-metadata:s:v",
                "rotate=90",
            ],
            str(tmp_path / "turned.mp4"),
        ],
        check=True,
    )
    (turned,) = decoded(tmp_path / "turned.mp4")[:1]
    if turned.rotation == 0:
        pytest.skip("this version of ffmpeg does not write the rotation")
    color(tmp_path / "turned.mp4", tmp_path / "out.mp4", colorizer)
    (result,) = decoded(tmp_path / "out.mp4")[:1]
    assert (result.width, result.height, result.rotation) == (64, 96, 0)
    raw = subprocess.run(
        [*FFMPEG, tmp_path / "turned.mp4", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True,
        check=True,
    ).stdout
    wanted = np.frombuffer(raw, np.uint8).reshape(96, 64).astype(int)
    luma = np.asarray(next(iter(VideoFile(tmp_path / "out.mp4"))).gray)
    assert np.abs(luma - wanted).mean() < 1.5
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(1, 2)


def shots(sizes: list[tuple[int, int]]) -> list[Shot]:
    return [
        Shot(
            number, ColorFrame(Image.new("L", size, 90), np.zeros((56, 56, 2), np.float32)), 100 + number / 30
        )
        for number, size in enumerate(sizes)
    ]


def test_a_camera_starts_at_time_0_and_may_change_its_size(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4") as writer:
        for shot in shots([(65, 49), (65, 49), (32, 24), (65, 49)]):
            writer.write(shot)
        writer.finish()
    result = decoded(tmp_path / "out.mp4")
    assert [(frame.width, frame.height) for frame in result] == [(64, 48)] * 4
    assert result[0].time == 0 and result[3].time == pytest.approx(0.1, abs=1e-4)
    assert writer.notes == ["its last row or column was left out: H.264 and VP9 need even sides"]


def test_a_build_of_pyav_without_the_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, ".mp4", Container("mp4", "libnothing", {}))
    with (
        pytest.raises(MissingError, match=r"this PyAV has no libnothing encoder"),
        VideoWriter(tmp_path / "o.mp4") as out,
    ):
        out.write(shots([(64, 48)])[0])
    assert list(tmp_path.iterdir()) == []


def test_two_frames_with_one_time_stamp(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mkv") as writer:
        for shot in shots([(64, 48)] * 3):
            writer.write(Shot(shot.number, shot.frame, 7.0))
        writer.finish()
    assert len(decoded(tmp_path / "out.mkv")) == 3


def test_an_unfinished_file_is_removed(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4") as writer:
        for shot in shots([(64, 48)] * 60):
            writer.write(shot)
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    assert list(tmp_path.iterdir()) == []
    with VideoWriter(tmp_path / "out.mp4") as writer:
        writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_with_force(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        VideoWriter(target)
    late = VideoWriter(tmp_path / "late.mp4")
    late.write(shots([(64, 48)])[0])
    (tmp_path / "late.mp4").write_text("written by another program")
    with pytest.raises(UsageError, match="exists already"):
        late.finish()
    with pytest.raises(UsageError, match=r"cannot write \.gif video"):
        VideoWriter(tmp_path / "out.gif")
    with VideoWriter(target, force=True) as writer:
        writer.write(shots([(64, 48)])[0])
        writer.finish()
    assert len(decoded(target)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["late.mp4", "out.mp4"]
