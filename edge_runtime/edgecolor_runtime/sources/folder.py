"""A folder of pictures as a source: one frame per picture."""

from __future__ import annotations

from pathlib import Path

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.formats import is_picture
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.stepwise import StepwiseSource


class PictureFolder(StepwiseSource):
    """The pictures of a folder in the order of their names, without subfolders.

    Args:
        path: the folder.
        framerate: frames per second that the time stamps correspond to.

    Attributes:
        damaged: number of pictures that could not be opened up to now. They are skipped.

    Raises:
        PictureError: the folder cannot be listed, or holds no picture.
    """

    def __init__(self, path: str | Path, *, framerate: float = 30.0) -> None:
        super().__init__(str(path), live=False, framerate=framerate)
        self.damaged, self._next, self._framerate = 0, 0, framerate
        try:
            entries = sorted(Path(path).iterdir())
        except OSError as error:
            raise PictureError(f"{path}: {error.strerror}") from error
        self._files = [entry for entry in entries if is_picture(entry)]
        if not self._files:
            raise PictureError(f"{path}: no pictures in this folder")

    def _step(self) -> Frame | None:
        if self._next == len(self._files):
            if self.damaged == len(self._files):
                raise PictureError(f"{self.name}: none of its pictures can be opened")
            raise EOFError
        number, self._next = self._next, self._next + 1
        try:
            gray = open_picture(self._files[number]).gray
        except PictureError:
            self.damaged += 1
            return None
        return Frame(gray, number / self._framerate)

    def _release(self) -> None:
        """Nothing is held open between two steps."""
