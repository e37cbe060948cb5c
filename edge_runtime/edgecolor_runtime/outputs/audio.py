"""The audio of one video copied into another: packet by packet, or encoded again if it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecolor_runtime.media import pyav
from edgecolor_runtime.media.timeline import Timeline

_DEFAULT_CODEC = "aac"
_CODECS = {"webm": "libopus"}
"""Container -> the codec for audio that has to be encoded again, if it is not AAC."""

_OPUS_RATE = 48_000  # samples per second


class AudioCopier:
    """Copies every audio track, in step with the pictures.

    Args:
        source: the video file to read the audio from. It is opened a second time.
        target: the container to write to. Nothing was written to it yet.

    Attributes:
        notes: what the user should know about the audio, one sentence each.
    """

    def __init__(self, source: Path, target: Any) -> None:
        self._av, self._target = pyav.load(), target
        self._source = self._av.open(pyav.local_file(source))
        self._timeline = Timeline.of(self._source)
        self.notes: list[str] = []
        self._tracks = {track.index: (track, *self._add_track(track)) for track in self._source.streams.audio}
        self._packets = self._read()
        self._next = next(self._packets, None)
        subtitles = len(self._source.streams.subtitles)
        if subtitles:
            self.notes.append(f"its subtitles ({subtitles}) were left out")

    def __enter__(self) -> AudioCopier:
        """Return the copier itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source."""
        self._source.close()

    def _add_track(self, track: Any) -> tuple[Any, bool]:
        """Add a track to the target. Returns it, and whether packets are copied unchanged."""
        container = self._target.format.name
        names = {track.codec.name, track.codec.canonical_name}
        # MP4 may hold PCM, but few players support that.
        is_playable = container != "mp4" or not track.codec.name.startswith("pcm")
        if is_playable and names & self._target.supported_codecs:
            return self._target.add_stream_from_template(track), True
        codec = _CODECS.get(container, _DEFAULT_CODEC)
        self.notes.append(
            f"its audio was encoded again, from {track.codec.name} to {codec.removeprefix('lib')}"
        )
        rate = _OPUS_RATE if codec == "libopus" else track.rate
        return self._target.add_stream(codec, rate=rate), False

    def _read(self) -> Iterator[Any]:
        """Yield the packets of all tracks. At the end, flush the encoders."""
        if not self._tracks:
            return
        last = dict.fromkeys(self._tracks, float("-inf"))
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
        for _, target, is_unchanged in self._tracks.values():
            if not is_unchanged:
                self._target.mux(target.encode(None))

    def copy_until(self, seconds: float) -> None:
        """Write the packets up to this time of the video; infinity: all remaining packets."""
        while self._next is not None and float(self._next.dts * self._next.time_base) <= seconds:
            self._write(self._next)
            self._next = next(self._packets, None)

    def _write(self, packet: Any) -> None:
        _, target, is_unchanged = self._tracks[packet.stream.index]
        if is_unchanged:
            packet.stream = target
            self._target.mux(packet)
            return
        try:
            frames = packet.decode()
        except self._av.error.InvalidDataError:
            return  # a damaged packet becomes silence
        for frame in frames:
            self._target.mux(target.encode(frame))
