"""What a video file says about itself, copied to the colored one: title, date, place, languages, chapters."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from edgecolor_runtime.media import pyav

_DESCRIBES_THE_FILE = frozenset(
    (
        *("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "handler_name"),
        *("vendor_id", "rotate", "bps", "number_of_frames", "number_of_bytes", "location-eng"),
    )
)
"""Tags that are true for the old file only, or repeat another tag."""

_STATISTICS = "_statistics"  # what the names of the tags begin with that Matroska's tools add
_APPLE_NAMES = {
    "com.apple.quicktime.location.ISO6709": "location",
    "com.apple.quicktime.creationdate": "date",
    "com.apple.quicktime.make": "make",
    "com.apple.quicktime.model": "model",
    "com.apple.quicktime.title": "title",
}
"""Tag of a phone's video -> FFmpeg's name of the same tag."""

_UNKNOWN_LANGUAGE = "und"
_ISO_CODES = (
    *(("sqi", "alb"), ("hye", "arm"), ("eus", "baq"), ("mya", "bur"), ("zho", "chi"), ("ces", "cze")),
    *(("nld", "dut"), ("fra", "fre"), ("kat", "geo"), ("deu", "ger"), ("ell", "gre"), ("isl", "ice")),
    *(("mkd", "mac"), ("mri", "mao"), ("msa", "may"), ("fas", "per"), ("ron", "rum"), ("slk", "slo")),
    *(("bod", "tib"), ("cym", "wel")),
)
_QUICKTIME_LANGUAGES = dict(_ISO_CODES)
"""ISO 639-2/T code of a language -> its ISO 639-2/B code, the one that FFmpeg's QuickTime muxer knows."""


def copy_tags(source: Any, target: Any) -> None:
    """Copy the tags and chapters of a file. Nothing was written to the target yet.

    Args:
        source: PyAV's container that is read.
        target: PyAV's container that is written.
    """
    target.metadata.update(_own_tags(source.metadata))
    if has_chapters(source):
        target.set_chapters(_chapters(source))


def copy_track_tags(source: Any, target: Any) -> None:
    """Copy language, title and flags of a track."""
    tags = _own_tags(source.metadata)
    if "name" in tags:  # FFmpeg reads the title of a track in MP4 under this name
        tags.setdefault("title", tags.pop("name"))
    if target.container.format.name == "mov" and "language" in tags:
        tags["language"] = _QUICKTIME_LANGUAGES.get(tags["language"], tags["language"])
    target.metadata.update(tags)
    target.disposition = source.disposition.value


def has_chapters(container: Any) -> bool:
    """Return whether a file has chapters that this PyAV can read."""
    return hasattr(container, "chapters") and bool(container.chapters())


def list_lost_tags(source: Any, path: Path) -> list[str]:
    """Return the names of the tags that the colored file does not have.

    Args:
        source: PyAV's container that was read.
        path: the colored file.
    """
    with pyav.load().open(pyav.local_file(path)) as written:
        kept = {name.lower() for name in written.metadata}
        lost = [name for name in _own_tags(source.metadata) if name.lower() not in kept]
        if has_chapters(source) and not has_chapters(written):
            lost.append("chapters")
    return lost


def _own_tags(metadata: dict[str, str]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for name, value in metadata.items():
        lower = name.lower()
        if lower in _DESCRIBES_THE_FILE or lower.startswith(_STATISTICS):
            continue
        if lower == "language" and value == _UNKNOWN_LANGUAGE:
            continue
        tags[_APPLE_NAMES.get(name, name)] = value
    return tags


def _chapters(source: Any) -> list[Any]:
    """Return the chapters on a time that starts at zero, as `media.timeline` places the packets."""
    start = Fraction(source.start_time or 0, 1_000_000)
    chapters = []
    for chapter in source.chapters():
        ticks = round(start / chapter["time_base"])
        chapters.append({**chapter, "start": chapter["start"] - ticks, "end": chapter["end"] - ticks})
    return chapters
