"""Which video track of a file is the film."""

from __future__ import annotations

from typing import Any

# FFmpeg's AV_DISPOSITION_DEFAULT, AV_DISPOSITION_ATTACHED_PIC and AV_DISPOSITION_TIMED_THUMBNAILS.
DEFAULT = 0x1
_PICTURES = 0x400 | 0x800


def choose_video(container: Any) -> Any | None:
    """Return the video track that a player shows: the default one; the largest if there is none.

    The cover of a song is a picture and no film.

    Returns:
        PyAV's stream; None if the file has no film.
    """
    films = [track for track in container.streams.video if not is_picture_track(track)]
    if not films:
        return None
    return max(films, key=lambda track: (track.disposition.value & DEFAULT, track.width * track.height))


def is_picture_track(track: Any) -> bool:
    """Return whether a video track is a picture, such as a cover, and no film."""
    return bool(track.disposition.value & _PICTURES)
