"""A film that is written in segments, so that an interrupted run can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.outputs.encoder import EncoderSettings, VideoEncoder
from edgecolor_runtime.outputs.film_job import FilmJob
from edgecolor_runtime.outputs.video import VideoWriter
from edgecolor_runtime.sources.frames import Film
from edgecolor_runtime.sources.picture_sequence import DEFAULT_FRAMERATE
from edgecolor_runtime.system.files import living_process, temporary_beside

SEGMENT_FRAMES = 250
"""Number of frames of a segment. x264 starts a new group of pictures at least this often anyway."""

WARM_UP_FRAMES = 50
"""Number of frames before the first missing one that a resumed run colors again, for the stabilizer."""


class FilmWriter:
    """Writes the colored frames of a film. An interrupted run leaves the segments that are done.

    The segments are joined without encoding them again when the film is complete. Until then the film does
    not have its name.

    Args:
        path: the file to write, as for `VideoWriter`.
        source: the video or the pictures that are colored.
        force: replace an existing file.

    Attributes:
        path: the file to write.
        notes: what the user should know about the result, one sentence each.
        job: what is done of the film.

    Raises:
        MissingError: PyAV is not installed.
        UsageError: the extension is not one of a supported container, the file exists, or another run writes
            it.
    """

    def __init__(self, path: str | Path, *, source: Film, force: bool = False) -> None:
        self._film = VideoWriter(path, source=source, force=force)
        self.path, self.notes = self._film.path, self._film.notes
        self._av, self._source = pyav.load(), source
        process = living_process(self.path)
        if process is not None:
            raise UsageError(f"{path}: process {process} writes this film at this moment")
        self.job = FilmJob(self.path)
        self._stack = ExitStack()
        self._encoder: VideoEncoder | None = None
        self._file: Path | None = None
        self._size: tuple[int, int] | None = None
        self._count = 0
        self._is_marked = False

    def __enter__(self) -> FilmWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the segment. Complete segments are kept unless the film is finished."""
        self.discard()

    def resume(self, identity: Mapping[str, object]) -> int:
        """Take over what an earlier run with the same identity has done.

        Returns:
            The number of frames that are done.

        Raises:
            PictureError: the folder of the segments cannot be used.
        """
        try:
            if self.job.resume(identity):
                self.notes.append("an earlier run with other options or another film was started again")
        except OSError as error:
            raise PictureError(f"{self.job.folder}: {error.strerror or error}") from error
        if self.job.segments:
            self._size = self.job.segments[-1].width, self.job.segments[-1].height
        return self.job.frames

    def write(self, shot: Shot) -> None:
        """Append a frame. A frame that is done already is left out.

        Raises:
            MissingError: PyAV lacks the encoder.
            PictureError: the file cannot be written. Complete segments are kept.
        """
        if shot.number < self.job.frames:
            return
        try:
            if self._encoder is None:
                self._encoder = self._begin_segment(shot)
            self._encoder.encode(shot.frame, shot.seconds)
            self._count += 1
            if self._count == SEGMENT_FRAMES:
                self._end_segment()
        except (self._av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def suspend(self) -> int:
        """End the segment, and keep what is done. Returns the number of frames that are done.

        Raises:
            PictureError: the segment cannot be written. Earlier segments are kept.
        """
        try:
            self._end_segment()
        except (self._av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self.discard()
        return self.job.frames

    def finish(self, *, whole: bool = True) -> None:
        """Join the segments, add sound, subtitles and tags, and give the file its name.

        Args:
            whole: write the sound to its end, not only up to the last frame.

        Raises:
            UsageError: another program has created the file meanwhile (without `force`).
            PictureError: the file cannot be written.
        """
        try:
            self.suspend()
            if self._size is not None:
                for packet in self._read_packets():
                    self._film.append(packet, self._size)
                self._film.finish(whole=whole)
                self.job.remove()
        except (self._av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self._film.discard()

    def discard(self) -> None:
        """Close the segment. Complete segments are kept, the others are made again by the next run."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.close()
        if not self.job.segments:
            self.job.remove()
        self._stack.close()
        self._film.discard()

    @property
    def _frame_seconds(self) -> Fraction:
        """Nominal duration of a frame."""
        return 1 / Fraction(self._source.framerate or DEFAULT_FRAMERATE)

    def _failure(self, error: Any) -> PictureError:
        reason = f"{self.path}: cannot be written: {error.strerror or error}"
        if self.job.segments:
            reason += f". {self.job.frames} frames are done; the same command resumes this film"
        return PictureError(reason)

    def _begin_segment(self, shot: Shot) -> VideoEncoder:
        if not self._is_marked:  # the name of this file tells other runs that this process writes the film
            self._stack.enter_context(temporary_beside(self.path)).touch()
            self._is_marked = True
        self._file, self._count = self.job.next_file(), 0
        self._size = self._size or shot.frame.y.size
        after_tick = self.job.segments[-1].last_tick if self.job.segments else -1
        settings = EncoderSettings(self._source, is_segment=True, after_tick=after_tick)
        encoder = VideoEncoder(self._file, self.path, self._size, settings)
        self.notes += [note for note in encoder.notes if note not in self.notes]
        return encoder

    def _end_segment(self) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is None or self._file is None or self._size is None:
            return
        try:
            encoder.flush()
            encoder.container.close()
        finally:
            encoder.close()
        self.job.add(self._file, frames=self._count, last_tick=encoder.last_tick, size=self._size)
        self._count = 0

    def _read_packets(self) -> Iterator[Any]:
        """Yield the packets of all segments, with the decoding times of one film."""
        shown = sorted(packet.pts for packet in self._read_segments())
        ranks = {tick: rank for rank, tick in enumerate(shown)}
        orders = [ranks[packet.pts] for packet in self._read_segments()]
        # A picture is decoded this many pictures before the one of its place is shown.
        delay = max((place - rank for place, rank in enumerate(orders)), default=0)
        durations = [after - before for before, after in pairwise(shown)]
        durations.append(durations[-1] if durations else round(self._frame_seconds / self._source.time_base))
        for place, packet in enumerate(self._read_segments()):
            early = place - delay
            packet.dts = shown[early] if early >= 0 else shown[0] + early * durations[0]
            packet.duration = durations[orders[place]]
            yield packet

    def _read_segments(self) -> Iterator[Any]:
        """Yield the packets of all segments, with time stamps in ticks of the film."""
        for path in self.job.files():
            with self._av.open(pyav.local_file(path)) as container:
                for packet in container.demux(video=0):
                    if packet.pts is None:
                        continue
                    ticks = Fraction(packet.time_base) / self._source.time_base
                    packet.pts = round(packet.pts * ticks)
                    packet.time_base = self._source.time_base
                    yield packet
