"""The writer of a live session: which kind of output a name means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.outputs.film_writer import FilmWriter
from edgecolor_runtime.outputs.image_sequence import ImageSequenceWriter
from edgecolor_runtime.outputs.publisher import StreamPublisher, is_published
from edgecolor_runtime.outputs.recording import RecordingWriter, SegmentOptions
from edgecolor_runtime.outputs.virtual_camera import VirtualCamera, is_virtual_camera
from edgecolor_runtime.sources.address import hide_secrets

if TYPE_CHECKING:
    from edgecolor_runtime.live.session import LiveOptions
    from edgecolor_runtime.sources.frames import Film

Writer = FilmWriter | RecordingWriter | ImageSequenceWriter | StreamPublisher | VirtualCamera

_NOMINAL_FRAMERATE = 25.0  # of a stream whose camera was not asked for a rate


def open_writer(options: LiveOptions, film: Film | None, on_message: Callable[[str], None]) -> Writer | None:
    """Return the writer for the output of a session; None without an output.

    Args:
        options: the options of the session.
        film: the film that is colored; None for a camera.
        on_message: called with one line of text while the session runs.

    Raises:
        UsageError: the output does not fit the source or the options, or it exists.
        MissingError: a library or a device is missing.
    """
    segments = _segments(options)
    output = options.output
    is_file = output is not None and _is_video_file(output)
    if segments is not None and not is_file:
        raise UsageError("segments are video files: name one as the output (-o door.mp4)")
    if output is None:
        return None
    if is_published(output) or is_virtual_camera(output):
        if film is not None:
            raise UsageError(
                f"{hide_secrets(str(output))} is for a camera. To play a film like a camera, "
                "run: edgecolor run --camera FILM"
            )
        framerate = options.framerate or _NOMINAL_FRAMERATE
        if is_virtual_camera(output):
            return VirtualCamera(output, framerate=framerate)
        return StreamPublisher(
            output, framerate=framerate, reconnect=options.reconnect, on_message=on_message
        )
    path = Path(output)
    if not is_file:
        return ImageSequenceWriter(path, quality=options.quality, force=options.force)
    if film is None:
        return RecordingWriter(path, force=options.force, segments=segments)
    return FilmWriter(path, source=film, force=options.force)


def _is_video_file(output: str | Path) -> bool:
    if is_published(output) or is_virtual_camera(output):
        return False
    return not Path(output).is_dir() and bool(Path(output).suffix)


def _segments(options: LiveOptions) -> SegmentOptions | None:
    if options.segment_seconds is not None:
        return SegmentOptions(options.segment_seconds, options.quota_bytes)
    if options.quota_bytes is not None:
        raise UsageError("a quota deletes the oldest segments: also choose their length (--segment)")
    return None
