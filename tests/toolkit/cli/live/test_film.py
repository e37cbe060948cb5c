"""`edgecolor run` on the films that people bring: their time, tracks and names."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

W, H = 64, 48
RATE = 48_000


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(number: int) -> Any:
    """A gradient that moves."""
    gradient = np.tile(np.linspace(30, 220, W), (H, 1)).astype(np.uint8)
    return av.VideoFrame.from_ndarray(np.roll(gradient, number, 1), format="gray").reformat(format="yuv420p")


def raw_film(path: Path, *, codec: str, rate: int, frames: int = 30) -> Path:
    """Write pictures without time stamps, as `rpicam-vid` does."""
    name = {"libx264": "h264", "libx265": "hevc"}.get(codec, codec)
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    with av.open(str(path), "w", format=name) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = W, H
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            frame = picture(number).reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def broadcast(path: Path, start: float, *, seconds: int = 2) -> Path:
    """Write a transport stream whose pictures start at this time, a multiple of 40 ms, with silent sound."""
    options = {"mpegts_copyts": "1"}
    with av.open(str(path), "w", format="mpegts", options=options) as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        track: Any = out.add_stream("aac", rate=RATE)
        packets = []
        for number in range(25 * seconds):
            frame = picture(number)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, RATE * seconds), np.float32), "fltp", "mono")
        sound.rate, sound.pts = RATE, 0
        packets += [*track.encode(sound), *track.encode(None)]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            shift = round(start / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            out.mux(packet)
    return path


def times(path: str, kind: str = "video") -> list[float]:
    """Return when the packets of a track are shown, in order."""
    with av.open(path) as container:
        track = next(stream for stream in container.streams if stream.type == kind)
        stamps = [packet.pts for packet in container.demux(track) if packet.pts is not None]
        assert track.time_base is not None
        return sorted(float(stamp * track.time_base) for stamp in stamps)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.h264", "libx264"), ("a.264", "libx264"), ("a.hevc", "libx265"), ("a.h265", "libx265")],
)
def test_raw_video_keeps_the_rate_that_its_pictures_specify(
    here: Path, run: Callable[..., int], name: str, codec: str
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    raw_film(here / name, codec=codec, rate=30)
    assert run(name, "-o", "out.mp4") == 0
    assert times("out.mp4") == pytest.approx([number / 30 for number in range(30)], abs=1e-4)


def test_framerate_sets_the_rate_of_a_file_without_one(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    raw_film(here / "a.mjpeg", codec="mjpeg", rate=10)
    assert run("a.mjpeg", "-o", "default.mkv") == 0
    assert times("default.mkv") == pytest.approx([number / 25 for number in range(30)], abs=1e-3)
    assert run("a.mjpeg", "-o", "out.mp4", "--framerate", 29.97) == 0
    assert times("out.mp4") == pytest.approx([number * 1001 / 30_000 for number in range(30)], abs=1e-4)
    raw_film(here / "b.h264", codec="libx264", rate=30)
    assert run("b.h264", "-o", "b.mp4", "--framerate", 12.5) == 0
    assert times("b.mp4") == pytest.approx([number / 12.5 for number in range(30)], abs=1e-4)
    assert run("out.mp4", "-o", "again.mp4", "--framerate", 12) == 2
    assert "out.mp4: this video has time stamps of its own. Leave out --framerate." in capsys.readouterr().err


@pytest.mark.parametrize("start", [0.4, 50_001.0, 95_442.72], ids=["early", "late", "33 bits"])
def test_a_broadcast_starts_at_zero_with_its_sound(here: Path, run: Callable[..., int], start: float) -> None:
    broadcast(here / "a.ts", start)
    assert run("a.ts", "-o", "out.mp4") == 0
    pictures, sound = times("out.mp4"), times("out.mp4", "audio")
    assert sound[0] == 0 and len(pictures) == 50
    lead = 1024 / RATE  # the encoder of the sound begins earlier; the counter of 33 bits ends at 95 443.72 s
    assert pictures == pytest.approx([lead + number / 25 for number in range(50)], abs=1e-3)
    assert sound[-1] == pytest.approx(2, abs=0.03)


@pytest.mark.parametrize("second", [1.0, 0.0, 70_000.0], ids=["same", "back", "ahead"])
def test_joined_broadcasts_follow_each_other(here: Path, run: Callable[..., int], second: float) -> None:
    parts = [broadcast(here / f"{start}.ts", start) for start in (1.0, second)]
    (here / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert run("joined.ts", "-o", "out.mp4") == 0
    pictures, sound = times("out.mp4"), times("out.mp4", "audio")
    assert len(pictures) == 100
    steps = np.diff(pictures)
    assert steps.min() > 0.039 and steps.max() < 0.1
    assert pictures[-1] == pytest.approx(4, abs=0.1) and sound[-1] == pytest.approx(4, abs=0.1)
    sound_steps = np.diff(sound)
    assert sound_steps.min() > 0.001 and sound_steps.max() < 0.07


def test_a_film_of_a_folder_and_of_numbered_pictures(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "frames").mkdir()
    for number in (1, 2, 10, 9):
        Image.new("L", (W, H), 20 * number).save(here / "frames" / f"img{number}.png")
    assert run("frames", "-o", "film.mp4", "--framerate", 8) == 0
    assert times("film.mp4") == pytest.approx([0, 1 / 8, 2 / 8, 3 / 8])
    with av.open("film.mp4") as film:
        levels = [float(frame.to_ndarray()[:H].mean()) for frame in film.decode(video=0)]
    assert levels == sorted(levels), "img9.png precedes img10.png"
    assert run("frames/img%d.png") == 0
    assert times("frames/img.color.mp4") == pytest.approx([0, 1 / 25, 2 / 25, 3 / 25])
    assert run("frames/scan%04d.png", "-o", "none.mp4") == 1
    assert "frames/scan%04d.png: no pictures have such names" in capsys.readouterr().err
    assert run("frames/img1.png", "frames/img2.png", "-o", "none.mp4") == 2
    assert "name their folder or a pattern such as img%04d.png" in capsys.readouterr().err
    assert run("frames/img1.png", "--framerate", 5) == 2


def test_a_gif_that_moves_is_a_film(here: Path, run: Callable[..., int]) -> None:
    frames = [Image.new("L", (W, H), 20 * number) for number in range(5)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:], duration=100)
    assert run("moving.gif") == 0
    assert times("moving.color.mp4") == pytest.approx([number / 10 for number in range(5)])
    assert run("moving.gif", "-o", "first.png") == 0
    frames[0].save("still.gif")
    assert run("still.gif", "-o", "still.png") == 0


def test_the_default_track_is_colored_and_a_cover_is_no_film(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with av.open("two.mp4", "w") as out:
        tracks: list[Any] = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for track, disposition in zip(tracks, (0, 1), strict=True):
            track.width, track.height, track.pix_fmt, track.disposition = W, H, "yuv420p", disposition
        for number in range(5):
            for track, level in zip(tracks, (40, 200), strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((H, W), level, np.uint8), format="gray")
                frame = frame.reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(track.encode(frame))
        for track in tracks:
            out.mux(track.encode(None))
    assert run("two.mp4", "-o", "out.mp4", "--saturation", 0) == 0
    with av.open("out.mp4") as film:
        assert next(film.decode(video=0)).to_ndarray()[:H].mean() > 150
    with av.open("song.mp4", "w") as out:
        sound: Any = out.add_stream("aac", rate=RATE)
        cover: Any = out.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = W, H, "yuvj420p", 0x400
        silence = av.AudioFrame.from_ndarray(np.zeros((1, RATE), np.float32), "fltp", "mono")
        silence.rate = RATE
        out.mux([*sound.encode(silence), *sound.encode(None)])
        out.mux([*cover.encode(picture(0).reformat(format="yuvj420p")), *cover.encode(None)])
    assert run("song.mp4", "-o", "none.mp4") == 1
    assert "song.mp4: no pictures in it, only other tracks" in capsys.readouterr().err


def test_a_name_with_a_colon(here: Path, run: Callable[..., int]) -> None:
    raw_film(here / "a.h264", codec="libx264", rate=25, frames=5).rename(here / "12:30.h264")
    assert run("12:30.h264", "-o", "file:at 12:30.mp4") == 0
    assert len(times(str(here / "file:at 12:30.mp4"))) == 5
    assert run("--camera", "12:30.h264", "--no-preview", "--frames", 2, "-o", "a:b.mkv") == 0
    assert len(times(str(here / "a:b.mkv"))) == 2


def deep_film(path: Path, pictures: list[np.ndarray], *, pixel_format: str = "gray16le") -> None:
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=9)
        stream.width, stream.height, stream.pix_fmt = W, H, pixel_format
        for number, values in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(values.astype(np.uint16), format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 9)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def luma(path: str) -> list[np.ndarray]:
    """Return the luma of each frame in full range."""
    with av.open(path) as film:
        return [frame.to_ndarray(format="gray").astype(int) for frame in film.decode(video=0)]


@pytest.mark.parametrize(("low", "high"), [(29_000, 31_500), (4, 1_023)], ids=["Lepton", "10 bits in 16"])
def test_a_camera_that_uses_a_part_of_16_bits(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str], low: int, high: int
) -> None:
    ramp = np.tile(np.linspace(low, high, W), (H, 1))
    deep_film(here / "a.mkv", [ramp] * 5)
    assert run("a.mkv", "-o", "out.mkv", "--saturation", 0) == 0
    error = capsys.readouterr().err
    assert error.count("become black to white, and this range follows the picture; --range LOW:HIGH") == 1
    wanted = np.linspace(0, 255, W)
    assert all(np.abs(picture.mean(0) - wanted).max() < 6 for picture in luma("out.mkv"))
    assert run("--camera", "a.mkv", "--no-preview", "--frames", 3, "-o", "live.mkv", "--saturation", 0) == 0
    assert capsys.readouterr().err.count("a.mkv: its gray values from") == 1
    assert np.ptp(luma("live.mkv")[2].mean(0)) > 240
    fixed = ["--range", f"{low}:{high + (high - low)}", "--saturation", 0]
    assert run("a.mkv", "-o", "half.mkv", *fixed) == 0
    assert "range" not in capsys.readouterr().err
    assert np.abs(luma("half.mkv")[0].mean(0) - wanted / 2).max() < 6
    assert run("a.mkv", "-o", "none.mkv", "--range", "5") == 2
    assert "range 5: write it as LOW:HIGH" in capsys.readouterr().err


def test_16_bits_that_are_used_keep_their_brightness(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    deep_film(here / "a.mkv", [np.tile(np.linspace(6_000, 50_000, W), (H, 1))] * 2)
    assert run("a.mkv", "-o", "out.mkv", "--saturation", 0) == 0
    assert "range" not in capsys.readouterr().err
    assert np.abs(luma("out.mkv")[0].mean(0) - np.linspace(6_000, 50_000, W) / 257).max() < 6


@pytest.mark.parametrize(("name", "transfer", "white"), [("PQ", 16, 0.58), ("HLG", 18, 0.75)])
def test_high_dynamic_range_is_mapped(
    here: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    name: str,
    transfer: int,
    white: float,
) -> None:
    """Diffuse white (58 % in PQ, 75 % in HLG) becomes nearly white. Plain scaling makes it gray."""
    with av.open("a.mkv", "w") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_range = transfer, 1
        context.colorspace = context.color_primaries = 9  # ITU-R BT.2020
        frame: Any = av.VideoFrame(W, H, "yuv420p10le")
        code = np.tile(64 + 876 * np.linspace(0, white, W), (H, 1))
        for plane, values in zip(frame.planes, (code, *[np.full((H // 2, W // 2), 512)] * 2), strict=True):
            rows = np.frombuffer(plane, np.uint16).reshape(-1, plane.line_size // 2)
            rows[: values.shape[0], : values.shape[1]] = values
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    assert run("a.mkv", "-o", "out.mkv", "--saturation", 0) == 0
    assert capsys.readouterr().err.count(f"its high dynamic range ({name}) was mapped") == 1
    levels = luma("out.mkv")[0].mean(0)
    assert 215 < levels[-2] < 240 and levels[1] < 8
    assert (np.diff(levels) > -2).all()


def test_an_interlaced_film_is_deinterlaced(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A bar moves between the two fields of a frame. Interlaced, its edge is a comb."""
    with av.open("a.mkv", "w") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"crf": "5", "x264-params": "tff=1"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for number in range(8):
            gray = np.full((H, W), 40, np.uint8)
            gray[::2, 6 * number : 6 * number + 12] = gray[1::2, 6 * number + 3 : 6 * number + 15] = 210
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open("a.mkv") as film:
        assert next(film.decode(video=0)).interlaced_frame

    def combs(path: str) -> float:
        return float(np.mean([np.abs(np.diff(picture, axis=0)).mean() for picture in luma(path)]))

    assert run("a.mkv", "-o", "out.mkv", "--saturation", 0) == 0
    assert capsys.readouterr().err.count("a.mkv: its interlaced frames were deinterlaced") == 1
    assert combs("out.mkv") < 0.3 * combs("a.mkv")
    assert times("out.mkv") == pytest.approx([number / 25 for number in range(8)], abs=1e-3)


def tone(channels: int, layout: str, seconds: float = 1.0) -> Any:
    """Sound in which each channel has another loudness."""
    samples = np.sin(np.arange(int(RATE * seconds)) * 0.05)
    loudness = np.linspace(0.1, 0.6, channels)[:, None]
    frame = av.AudioFrame.from_ndarray((samples * loudness).astype(np.float32), "fltp", layout)
    frame.rate, frame.pts = RATE, 0
    return frame


def film_with_sound(path: Path, *tracks: tuple[str, str], tags: bool = False) -> None:
    """Write a film of one second with tracks of sound (codec, layout), and with all kinds of tags."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        sounds: list[Any] = [out.add_stream(codec, rate=RATE, layout=layout) for codec, layout in tracks]
        texts: Any = None
        if tags:
            out.metadata.update(title="Grandfather", location="+48.1+011.5/")
            out.metadata["creation_time"] = "2020-01-02T03:04:05Z"
            chapter: Any = {"time_base": Fraction(1, 1000), "metadata": {"title": "Part"}}
            parts: Any = [chapter | {"id": n, "start": 500 * n, "end": 500 * n + 500} for n in range(2)]
            out.set_chapters(parts)
            for sound, language, title in zip(sounds, ("eng", "deu"), ("Song", "Talk"), strict=True):
                sound.metadata.update(language=language, title=title)
                sound.disposition = int(title == "Talk")
            texts = out.add_mux_stream("subrip")
            texts.time_base = Fraction(1, 1000)
        for number in range(25):
            frame = picture(number)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        for sound, (_, layout) in zip(sounds, tracks, strict=True):
            out.mux([*sound.encode(tone(sound.layout.nb_channels, layout)), *sound.encode(None)])
        if texts is not None:
            packet = av.Packet(b"<i>Hello</i>")
            packet.pts = packet.dts = 200
            packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), texts
            out.mux(packet)


def sounds_of(path: str) -> list[tuple[str, str]]:
    with av.open(path) as film:
        return [(track.codec.canonical_name, track.layout.name) for track in film.streams.audio]


needs_mux_streams = pytest.mark.skipif(
    not hasattr(av.container.OutputContainer, "add_mux_stream"), reason="PyAV before 18"
)


@needs_mux_streams
@pytest.mark.parametrize(
    ("name", "text", "german"),
    [("out.mkv", "subrip", "deu"), ("out.mp4", "mov_text", "deu"), ("out.mov", "mov_text", "ger")],
)
def test_tags_chapters_and_tracks_are_kept(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str], name: str, text: str, german: str
) -> None:
    film_with_sound(here / "a.mkv", ("ac3", "stereo"), ("aac", "mono"), tags=True)
    assert run("a.mkv", "-o", name) == 0
    error = capsys.readouterr().err
    assert "left out" not in error and "encoded again" not in error
    with av.open(name) as film:
        tags = {key.lower(): value for key, value in film.metadata.items()}
        assert tags["title"] == "Grandfather" and tags["creation_time"].startswith("2020-01-02T03:04:05")
        assert tags["location"].startswith("+48.1") and "+011.5" in tags["location"]
        chapters: list[Any] = list(film.chapters())
        assert [float(chapter["start"] * chapter["time_base"]) for chapter in chapters] == [0, 0.5]
        assert chapters[0]["metadata"] == {"title": "Part"}
        song, talk = film.streams.audio
        assert [track.metadata.get("language") for track in (song, talk)] == ["eng", german]
        titles = [track.metadata.get("title", track.metadata.get("name")) for track in (song, talk)]
        assert titles == ["Song", "Talk"]
        assert (int(song.disposition) & 1, int(talk.disposition) & 1) == (0, 1)
        assert film.streams.subtitles[0].codec_context.codec.canonical_name == text
        packets = [packet for packet in film.demux(subtitles=0) if b"Hello" in bytes(packet)]
        (packet,) = packets
        assert packet.pts is not None and float(packet.pts * packet.time_base) == pytest.approx(0.2, abs=0.05)
    assert sounds_of(name) == [("ac3", "stereo"), ("aac", "mono")]


@pytest.mark.parametrize(
    ("codec", "layout", "out", "kept"),
    [
        ("pcm_s16le", "5.1", "out.mp4", ("aac", "5.1")),
        ("ac3", "5.1(side)", "out.webm", ("opus", "5.1")),
        ("ac3", "5.1(side)", "out.mp4", ("ac3", "5.1(side)")),
        ("libopus", "stereo", "out.mov", ("aac", "stereo")),
        ("flac", "mono", "out.mov", ("aac", "mono")),
        ("flac", "mono", "out.mp4", ("flac", "mono")),
    ],
)
def test_sound_becomes_what_the_container_holds(
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    codec: str,
    layout: str,
    out: str,
    kept: tuple[str, str],
) -> None:
    film_with_sound(Path("a.mkv"), (codec, layout))
    assert run("a.mkv", "-o", out) == 0
    assert sounds_of(out) == [kept]
    assert ("encoded again" in capsys.readouterr().err) is (kept[0] not in codec)
    with av.open(out) as film:
        heard = np.concatenate([frame.to_ndarray() for frame in film.decode(audio=0)], axis=-1)
    assert 0.9 < heard.shape[-1] / RATE < 1.2
    if len(heard) == 6:
        loudness = heard.std(axis=1)
        assert loudness[5] > 3 * loudness[0], "each speaker keeps its sound"


@needs_mux_streams
def test_what_is_left_out_is_said_in_one_line(
    here: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with av.open("a.mkv", "w") as out:
        out.metadata.update(title="Kept", projector="Bell 1938")
        tracks: list[Any] = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = W, H, "yuv420p"
        for number in range(3):
            for track in tracks:
                frame = picture(number)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(track.encode(frame))
        for track in tracks:
            out.mux(track.encode(None))
    assert run("a.mkv", "-o", "out.mp4") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert lines == ["a.mkv: left out: further video track, tags (PROJECTOR)"]
