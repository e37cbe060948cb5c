"""The sound and the subtitles of one video copied into another: packet by packet, or converted if need be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from edgecolor_runtime.media import pyav
from edgecolor_runtime.media.timeline import Timeline
from edgecolor_runtime.media.tracks import choose_video, is_picture_track
from edgecolor_runtime.outputs import subtitle_text
from edgecolor_runtime.outputs.tags import copy_tags, copy_track_tags, has_chapters, list_lost_tags

_DEFAULT_CODEC = "aac"
_CODECS = {"webm": "libopus"}
"""Container -> the codec for audio that has to be encoded again, if it is not AAC."""

_OPUS_RATE = 48_000  # samples per second
_MAX_AAC_RATE = 96_000
_CHANNEL_BIT_RATE = 64_000  # bits per second
_LAYOUTS = {
    **{"5.1(side)": "5.1", "5.0(side)": "5.0", "7.1(wide-side)": "7.1"},
    **{
        "3 channels": "3.0",
        "4 channels": "4.0",
        "5 channels": "5.0",
        "6 channels": "5.1",
        "8 channels": "7.1",
    },
}
"""Layout of speakers, or number of channels without one -> the layout of as many that the encoders know."""

_FALLBACK_LAYOUT = "stereo"


class _TrackWriter(Protocol):
    """Writes the packets of one track to the target."""

    def write(self, packet: Any) -> None: ...

    def flush(self) -> None: ...


class _CopiedTrack:
    """Copies packets unchanged."""

    def __init__(self, track: Any, target: Any) -> None:
        self._target, self.stream = target, target.add_stream_from_template(track)

    def write(self, packet: Any) -> None:
        packet.stream = self.stream
        self._target.mux(packet)

    def flush(self) -> None:
        """Do nothing: no packet waits."""


class _EncodedAudio:
    """Decodes the packets of an audio track and encodes them again."""

    def __init__(self, target: Any, codec: str, rate: int, layout: str) -> None:
        self._av, self._target = pyav.load(), target
        self.stream = target.add_stream(codec, rate=rate, layout=layout)
        self.stream.codec_context.bit_rate = _CHANNEL_BIT_RATE * max(2, self.stream.layout.nb_channels)

    def write(self, packet: Any) -> None:
        try:
            frames = packet.decode()
        except self._av.error.InvalidDataError:
            return  # a damaged packet becomes silence
        for frame in frames:
            self._target.mux(self.stream.encode(frame))

    def flush(self) -> None:
        """Write what waits in the encoder."""
        self._target.mux(self.stream.encode(None))


class _RewrittenSubtitles:
    """Writes the text of subtitles in the form of another codec. Their styles are left out."""

    def __init__(self, track: Any, target: Any, codec: str) -> None:
        self._av, self._target, self._codec = pyav.load(), target, codec
        self._source_codec = track.codec_context.codec.canonical_name
        self.stream = target.add_mux_stream(codec)
        self.stream.time_base = track.time_base

    def write(self, packet: Any) -> None:
        text = subtitle_text.extract(bytes(packet), self._source_codec)
        if not text:
            return
        rewritten = self._av.Packet(subtitle_text.encode(text, self._codec))
        rewritten.pts, rewritten.dts, rewritten.duration = packet.pts, packet.dts, packet.duration
        rewritten.time_base, rewritten.stream = packet.time_base, self.stream
        self._target.mux(rewritten)

    def flush(self) -> None:
        """Do nothing: no packet waits."""


class TrackCopier:
    """Copies every track of sound and subtitles, in step with the pictures, with language, title and flags.

    Args:
        source: the video file to read from. It is opened a second time.
        target: the container to write to, with its video track only. Nothing was written to it yet.

    Attributes:
        notes: what the user should know about the tracks, one sentence each.
        left_out: the tracks that were not copied.
    """

    def __init__(self, source: Path, target: Any) -> None:
        self._av, self._target = pyav.load(), target
        self._source = self._av.open(pyav.local_file(source))
        self._timeline = Timeline.of(self._source)
        self.notes: list[str] = []
        film = choose_video(self._source)
        self.left_out = _name_other_tracks(self._source, film)
        copy_tags(self._source, target)
        copy_track_tags(film, target.streams.video[0])
        self._writers: dict[int, _TrackWriter] = {}
        for track in self._source.streams.audio:
            self._add(track, self._open_audio(track))
        for track in self._source.streams.subtitles:
            writer = self._open_subtitles(track)
            if writer is not None:
                self._add(track, writer)
        self._packets = self._read()
        self._next = next(self._packets, None)

    def __enter__(self) -> TrackCopier:
        """Return the copier itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source."""
        self._source.close()

    def list_left_out(self, path: Path) -> list[str]:
        """Return the tracks and tags that the finished file does not have."""
        tags = list_lost_tags(self._source, path)
        return self.left_out + ([f"tags ({', '.join(tags)})"] if tags else [])

    def copy_until(self, seconds: float) -> None:
        """Write the packets up to this time of the video; infinity: all remaining packets."""
        while self._next is not None and float(self._next.dts * self._next.time_base) <= seconds:
            self._writers[self._next.stream.index].write(self._next)
            self._next = next(self._packets, None)

    def _add(self, track: Any, writer: Any) -> None:
        copy_track_tags(track, writer.stream)
        self._writers[track.index] = writer

    def _open_audio(self, track: Any) -> _CopiedTrack | _EncodedAudio:
        container = self._target.format.name
        # MP4 may hold PCM, but few players support that.
        is_playable = container != "mp4" or not track.codec.name.startswith("pcm")
        if is_playable and self._may_hold(track):
            return _CopiedTrack(track, self._target)
        codec = _CODECS.get(container, _DEFAULT_CODEC)
        rate = _OPUS_RATE if codec == "libopus" or track.rate > _MAX_AAC_RATE else track.rate
        layout = _LAYOUTS.get(track.layout.name, track.layout.name)
        note = f"its audio was encoded again, from {track.codec.name} to {codec.removeprefix('lib')}"
        if not self._can_encode(codec, rate, layout):
            note += f", and its {track.layout.nb_channels} channels were mixed to {_FALLBACK_LAYOUT}"
            layout = _FALLBACK_LAYOUT
        self.notes.append(note)
        return _EncodedAudio(self._target, codec, rate, layout)

    def _open_subtitles(self, track: Any) -> _CopiedTrack | _RewrittenSubtitles | None:
        if self._may_hold(track):
            return _CopiedTrack(track, self._target)
        codec = subtitle_text.CODECS[self._target.format.name]
        source_codec = track.codec_context.codec.canonical_name
        # PyAV before 18 cannot write a track that it does not encode.
        if source_codec in subtitle_text.READ_CODECS and hasattr(self._target, "add_mux_stream"):
            return _RewrittenSubtitles(track, self._target, codec)
        self.left_out.append(f"subtitles ({source_codec})")
        return None

    def _may_hold(self, track: Any) -> bool:
        """Return whether the container holds the codec of a track. Its muxer is tried in memory."""
        trial = self._av.open(io.BytesIO(), "w", format=self._target.format.name)
        try:
            trial.add_stream_from_template(track)
            trial.start_encoding()
        except (ValueError, self._av.error.FFmpegError):
            return False
        else:
            return True
        finally:
            trial.close()

    def _can_encode(self, codec: str, rate: int, layout: str) -> bool:
        context = self._av.CodecContext.create(codec, "w")
        context.rate, context.layout, context.format = rate, layout, context.codec.audio_formats[0]
        try:
            context.open()
        except (ValueError, self._av.error.FFmpegError):
            return False
        return True

    def _read(self) -> Iterator[Any]:
        """Yield the packets of the copied tracks. At the end, flush the encoders."""
        if not self._writers:
            return
        last = dict.fromkeys(self._writers, float("-inf"))
        packets = self._source.demux()  # also the pictures: they decide where the timeline has a jump
        while True:
            try:
                packet = next(packets)
            except (StopIteration, self._av.error.EOFError, self._av.error.InvalidDataError):
                break
            self._timeline.place(packet)
            track = packet.stream.index
            if track in last and packet.dts is not None and packet.dts > last[track]:
                last[track] = packet.dts  # where two parts of a file overlap, the sound of the first is kept
                yield packet
        for writer in self._writers.values():
            writer.flush()


def _name_other_tracks(source: Any, film: Any) -> list[str]:
    """Return the tracks that are never copied: further videos, covers, data and attachments."""
    names = []
    for track in source.streams:
        if track.type == "video" and track is not film:
            names.append("cover picture" if is_picture_track(track) else "further video track")
        elif track.type not in ("video", "audio", "subtitle"):
            names.append(f"{track.type} track")
    if names.count("data track") and has_chapters(source):
        names.remove("data track")  # MP4 stores chapters as such a track
    return names
