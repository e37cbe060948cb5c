"""Colored frames written as numbered pictures to a folder."""

from __future__ import annotations

from pathlib import Path

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.images.jpeg import encode_jpeg
from edgecolor_runtime.system.files import write_bytes


class ImageSequenceWriter:
    """Writes frame-000001.jpg, frame-000002.jpg and so on. Each file is written whole or not at all.

    Args:
        folder: the folder. It is created with the first frame.
        quality: JPEG quality, 1 to 100.
        force: replace existing pictures.

    Attributes:
        path: the folder.
        notes: what the user should know about the result, one sentence each. Always empty.

    Raises:
        UsageError: the folder holds such pictures already, or is a file.
    """

    def __init__(self, folder: str | Path, *, quality: int, force: bool = False) -> None:
        self.path, self._quality, self._force = Path(folder), quality, force
        self.notes: list[str] = []
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{folder}: is a file; -o takes a video file or a folder")
        if not force and next(self.path.glob("frame-*.jpg"), None) is not None:
            raise UsageError(f"{folder}: holds frames already; use --force to replace them")

    def write(self, shot: Shot) -> None:
        """Write a frame.

        Raises:
            UsageError: the file exists (without `force`).
            PictureError: the file cannot be written.
        """
        target = self.path / f"frame-{shot.number + 1:06}.jpg"
        data = encode_jpeg(shot.frame, self._quality)
        write_bytes(target, data, force=self._force, durable=False)  # a flush per frame would drop frames

    def finish(self, *, whole: bool = True) -> None:
        """Do nothing: every picture is complete."""

    def discard(self) -> None:
        """Do nothing: the pictures are kept."""
