"""The sound of one video into another: packet by packet, or encoded again where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecolor_runtime.sources import pyav

_OTHERWISE = {"webm": "libopus"}  # container -> what sound is encoded as; all others take AAC


class Sound:
    """Copies every sound track, in step with the pictures.

    Args:
        source: The file that it is read from, once more beside the pictures.
        target: The container that it goes into, before anything was written there.

    Attributes:
        notes: What a user should know, one sentence each.
    """

    def __init__(self, source: Path, target: Any) -> None:
        self._av, self._target = pyav.load(), target
        self._source = self._av.open(str(source))
        self.notes: list[str] = []
        self._tracks = {track.index: (track, self._add(track)) for track in self._source.streams.audio}
        self._packets = self._read()
        self._next = next(self._packets, None)
        left_out = len(self._source.streams.subtitles)
        if left_out:
            self.notes.append(f"its subtitles ({left_out}) were left out")

    def __enter__(self) -> Sound:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source."""
        self._source.close()

    def _add(self, track: Any) -> Any:
        """The track of the target, and whether packets go there as they are."""
        form = self._target.format.name
        names = {track.codec.name, track.codec.canonical_name}
        # MP4 may hold PCM, but few players know that.
        playable = form != "mp4" or not track.codec.name.startswith("pcm")
        if playable and names & self._target.supported_codecs:
            return self._target.add_stream_from_template(track), True
        codec = _OTHERWISE.get(form, "aac")
        self.notes.append(
            f"its sound was encoded again, from {track.codec.name} to {codec.removeprefix('lib')}"
        )
        return self._target.add_stream(codec, rate=48_000 if codec == "libopus" else track.rate), False

    def _read(self) -> Iterator[Any]:
        if not self._tracks:
            return
        packets = self._source.demux([track for track, _ in self._tracks.values()])
        while True:
            try:
                packet = next(packets)
            except (StopIteration, self._av.error.EOFError, self._av.error.InvalidDataError):
                break
            if packet.dts is not None:
                yield packet
        for _, (track, as_it_is) in self._tracks.values():
            if not as_it_is:
                self._target.mux(track.encode(None))

    def copy_until(self, seconds: float) -> None:
        """Write the packets up to a moment of the video; infinity: all that are left."""
        while self._next is not None and float(self._next.dts * self._next.time_base) <= seconds:
            self._write(self._next)
            self._next = next(self._packets, None)

    def _write(self, packet: Any) -> None:
        track, as_it_is = self._tracks[packet.stream.index][1]
        if as_it_is:
            packet.stream = track
            self._target.mux(packet)
            return
        try:
            sounds = packet.decode()
        except self._av.error.InvalidDataError:
            return  # a damaged moment stays silent
        for sound in sounds:
            self._target.mux(track.encode(sound))
