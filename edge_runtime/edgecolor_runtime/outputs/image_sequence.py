"""Colored frames to numbered pictures in a folder."""

from __future__ import annotations

from pathlib import Path

from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.images.jpeg import encode_jpeg
from edgecolor_runtime.live.shot import Shot
from edgecolor_runtime.system.files import write_bytes


class SequenceWriter:
    """Writes frame-000001.jpg, frame-000002.jpg, ...: each whole or not at all.

    Args:
        folder: Where to; it is made.
        quality: Of the JPEG files, 1 to 100.
        force: Replace pictures that are there already.

    Raises:
        UsageError: The folder holds such pictures already, or is a file.
    """

    def __init__(self, folder: str | Path, *, quality: int, force: bool = False) -> None:
        self.path, self._quality, self._force = Path(folder), quality, force
        self.notes: list[str] = []
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{folder}: is a file; -o names a video file or a folder")
        if not force and next(self.path.glob("frame-*.jpg"), None) is not None:
            raise UsageError(f"{folder}: holds frames already; use --force to replace them")

    def write(self, shot: Shot) -> None:
        """Write a frame."""
        target = self.path / f"frame-{shot.number + 1:06}.jpg"
        data = encode_jpeg(shot.frame, self._quality)
        write_bytes(target, data, force=self._force, durable=False)  # a flush per frame would drop frames

    def finish(self, *, whole: bool = True) -> None:
        """Nothing is left to do: every picture is whole."""

    def discard(self) -> None:
        """Nothing to take back: every picture is whole."""
