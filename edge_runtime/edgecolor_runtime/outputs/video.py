"""Colored frames written to a video file; brightness, time stamps and audio stay those of the source."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.outputs.encoder import EncoderSettings, VideoEncoder, refuse_format
from edgecolor_runtime.outputs.track_copier import TrackCopier
from edgecolor_runtime.sources.frames import Film
from edgecolor_runtime.sources.video import VideoFile
from edgecolor_runtime.system.files import publish, refuse_existing, temporary_beside


class VideoWriter:
    """Writes colored frames to one video file.

    The file has a temporary name until `finish`. A run that is killed leaves no incomplete file under the
    real name. To record a camera, use `RecordingWriter`, which keeps what was recorded. As a context manager,
    the writer discards the file unless `finish` was called:

        with VideoWriter("colored.mp4") as writer:
            for number, frame in enumerate(camera):
                writer.write(Shot(number, colorizer.colorize(frame.gray), frame.seconds))
            writer.finish()

    Args:
        path: the file to write. Its extension selects the container: .mp4, .m4v, .mov, .mkv or .webm.
        source: the video or the pictures that are colored. Time stamps, range, pixel aspect ratio, audio,
            subtitles and tags are kept. None: the frames come from a camera, and the first one gets time 0.
        force: replace an existing file.

    Attributes:
        path: the file to write.
        notes: what the user should know about the result, one sentence each.

    Raises:
        MissingError: PyAV is not installed.
        UsageError: the extension is not one of a supported container, or the file exists.
    """

    def __init__(self, path: str | Path, *, source: Film | None = None, force: bool = False) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        refuse_format(self.path)
        self._av, self._source, self._force = pyav.load(), source, force
        refuse_existing(self.path, force)
        self._stack = ExitStack()
        self._tracks: TrackCopier | None = None
        self._encoder: VideoEncoder | None = None
        self._is_encoded = False  # the frames come as packets

    def __enter__(self) -> VideoWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Discard the file unless it is finished."""
        self.discard()

    def write(self, shot: Shot) -> None:
        """Append a frame. A frame of another size than the first is scaled to that size.

        Raises:
            MissingError: PyAV lacks the encoder.
            PictureError: the file cannot be written.
        """
        try:
            if self._encoder is None:
                self._encoder = self._open(shot.frame.y.size, 0.0 if self._source else shot.seconds)
            if self._tracks is not None:
                self._tracks.copy_until(shot.seconds)
            self._encoder.encode(shot.frame, shot.seconds)
        except self._av.error.FFmpegError as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror}") from error

    def append(self, packet: Any, size: tuple[int, int]) -> None:
        """Append a frame that is encoded already, by an encoder with the same settings.

        Args:
            packet: PyAV's packet, with its time stamps.
            size: width and height of the film in pixels.

        Raises:
            av.error.FFmpegError: the file cannot be written.
        """
        if self._encoder is None:
            self._encoder, self._is_encoded = self._open(size, 0.0), True
        if self._tracks is not None:
            self._tracks.copy_until(float(packet.dts * packet.time_base))
        self._encoder.append(packet)

    def finish(self, *, whole: bool = True) -> None:
        """Complete the file and give it its real name. If no frame was written, there is no file.

        Args:
            whole: write the audio to its end, not only up to the last frame.

        Raises:
            UsageError: another program has created the file meanwhile (without `force`).
            PictureError: the file cannot be written.
        """
        if self._encoder is None:
            self.discard()
            return
        try:
            if not self._is_encoded:
                self._encoder.flush()
            if self._tracks is not None and whole:
                self._tracks.copy_until(float("inf"))
            self._encoder.container.close()
            if self._tracks is not None and (left_out := self._tracks.list_left_out(self._temporary)):
                self.notes.append(f"left out: {', '.join(left_out)}")
            publish(self._temporary, self.path, force=self._force)
        except (self._av.error.FFmpegError, OSError) as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the file unless it is finished."""
        self._encoder = None
        self._stack.close()

    def _open(self, size: tuple[int, int], start_seconds: float) -> VideoEncoder:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._temporary = self._stack.enter_context(temporary_beside(self.path))
        settings = EncoderSettings(self._source, start_seconds)
        encoder = VideoEncoder(self._temporary, self.path, size, settings)
        self._stack.callback(encoder.close)
        self.notes += [note for note in encoder.notes if note not in self.notes]
        if isinstance(self._source, VideoFile):
            self._tracks = self._stack.enter_context(TrackCopier(self._source.path, encoder.container))
            self.notes += self._tracks.notes
        return encoder
