"""Video files and streams: the luma of every pixel format, time stamps, rotation, and damaged files."""

from __future__ import annotations

import sys
import types
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from edgecolor_runtime import MissingError, PictureError
from edgecolor_runtime.media.pyav import extract_luma
from edgecolor_runtime.sources.video import Stream, VideoFile

W, H = 70, 48  # not a multiple of what decoders pad to


def ramp(width: int = W, height: int = H) -> np.ndarray:
    """Gray from black to white, 8 bits."""
    return np.linspace(0, 255, width * height).reshape(height, width).astype(np.uint8)


def picture(pixel_format: str, full: bool | None = None) -> av.VideoFrame:
    """The ramp in a pixel format, converted by FFmpeg's own scaler from full-range gray.

    In one thread: several, at a width that is no multiple of 8, may write over each other's first samples.
    """
    frame = av.VideoFrame.from_ndarray(ramp(), format="gray")
    frame.color_range = 2
    wanted = 2 if full else 1 if full is False else None
    out = frame.reformat(format=pixel_format, dst_color_range=wanted, threads=1)
    if full is not None:
        out.color_range = 2 if full else 1
    return out


def write(path: Path, pts: list[int], *, sound: bool = False, size: tuple[int, int] = (W, H)) -> Path:
    """Write a clip whose frames get brighter, at these times in milliseconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        track = out.add_stream("aac", rate=48_000) if sound else None
        for number, moment in enumerate(pts):
            gray = np.full((size[1], size[0]), 40 + 5 * number % 200, np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
            silence.rate, silence.pts = 48_000, 0
            out.mux(track.encode(silence))
            out.mux(track.encode(None))
    return path


@pytest.mark.parametrize("full", [True, False], ids=["full", "limited"])
@pytest.mark.parametrize(
    "pixel_format",
    ["gray", "yuv420p", "yuv422p", "yuv444p", "nv12", "yuyv422", "uyvy422", "yuv420p10le", "p010le"],
)
def test_luma_is_full_range_in_every_format(pixel_format: str, full: bool) -> None:
    if pixel_format == "gray" and not full:
        pytest.skip("FFmpeg's scaler makes no limited gray")
    luma = np.asarray(extract_luma(picture(pixel_format, full))).astype(int)
    assert luma.shape == (H, W)
    assert np.abs(luma - ramp()).max() <= (
        3 if pixel_format == "p010le" else 1
    )  # the scaler rounds p010 down
    assert luma.min() == 0 and luma.max() >= 252


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgra", "yuvj420p", "gray10le"])
def test_formats_whose_range_is_known(pixel_format: str) -> None:
    assert np.abs(np.asarray(extract_luma(picture(pixel_format))).astype(int) - ramp()).max() <= 1


def test_yuv_without_a_range_is_limited() -> None:
    frame = picture("yuv420p", full=False)
    frame.color_range = 0
    assert np.asarray(extract_luma(frame)).max() >= 253


def test_every_frame_keeps_its_time_stamp(tmp_path: Path) -> None:
    moments = [0, 40, 50, 300, 301, 1000]
    video = VideoFile(write(tmp_path / "a.mkv", moments))
    frames = list(video)
    assert [round(frame.seconds * 1000) for frame in frames] == moments
    levels = [int(np.asarray(frame.gray).mean()) for frame in frames]
    assert levels == sorted(levels) and levels[0] < levels[-1]
    assert (video.live, video.damaged, frames[0].gray.size) == (False, 0, (W, H))
    video.close()
    video.close()
    assert list(video) == []


def test_the_pixels_of_a_frame_are_not_overwritten_by_the_next(tmp_path: Path) -> None:
    video = VideoFile(write(tmp_path / "a.mkv", [0, 40, 80]))
    frames = [(frame, np.asarray(frame.gray).copy()) for frame in video]
    assert all((np.asarray(frame.gray) == pixels).all() for frame, pixels in frames)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a video"), (b"no video at all", "not a video"), (None, "No such file")],
    ids=["empty", "text", "missing"],
)
def test_files_that_are_not_videos(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PictureError, match=f"a.mp4: {message}"):
        VideoFile(path)


def test_a_file_with_audio_only(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as out:
        track = out.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.rate = 8000
        out.mux(track.encode(frame))
    with pytest.raises(PictureError, match="no pictures in it"):
        VideoFile(tmp_path / "a.wav")


def test_an_mp4_without_its_table_of_contents(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [0, 40, 80])
    path.write_bytes(path.read_bytes()[:800])
    with pytest.raises(PictureError, match="cut off before its table of contents"):
        VideoFile(path)


def test_a_truncated_file_gives_its_first_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", list(range(0, 2000, 40)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len(list(VideoFile(path))) < 50


def test_damaged_packets_are_counted_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuvj420p"
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.roll(ramp(), number), format="gray")
            for packet in stream.encode(frame.reformat(format="yuvj420p")):
                if number in (3, 6):
                    garbage = av.Packet(b"\x55" * packet.size)
                    garbage.pts, garbage.dts, garbage.time_base = packet.pts, packet.dts, packet.time_base
                    garbage.stream = stream
                    out.mux(garbage)
                else:
                    out.mux(packet)
    video = VideoFile(path)
    assert len(list(video)) == 8
    assert video.damaged == 2


def test_a_virtual_camera(tmp_path: Path) -> None:
    """FFmpeg's test picture is an endless source."""
    stream = Stream("testsrc=size=70x48:rate=10", stall_seconds=5, input_format="lavfi", options={})
    frames = [frame for _, frame in zip(range(4), stream, strict=False)]
    stream.close()
    assert [frame.gray.size for frame in frames] == [(70, 48)] * 4
    times = [frame.seconds for frame in frames]
    assert stream.live and times == sorted(times)
    assert np.ptp(np.asarray(frames[0].gray)) > 100


def test_without_pyav_or_with_an_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "av", None)
        with pytest.raises(
            MissingError, match=r"need PyAV\. Install it with: .*python.* -m pip install 'av>=14\.2'"
        ):
            VideoFile("film.mp4")
    old = types.SimpleNamespace(VideoFrame=object, __version__="10.0.0")
    monkeypatch.setitem(sys.modules, "av", old)
    with pytest.raises(MissingError, match=r"PyAV 10\.0\.0 is too old for video; it needs 14\.2 or later"):
        VideoFile("film.mp4")
