"""Pictures as a source, one frame per picture: a folder, or numbered files that a pattern names."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from edgecolor_runtime.colors.source_colors import SourceColors
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.formats import is_picture_file
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.stepwise import StepwiseSource

DEFAULT_FRAMERATE = 25.0
"""Frames per second of pictures, if none are requested."""

NUMBER = re.compile(r"%0?\d*d")
"""What stands for the number in a pattern such as img%04d.png, as in FFmpeg's patterns."""

_DIGITS = re.compile(r"(\d+)")


def is_pattern(path: Path) -> bool:
    """Return whether a path is a pattern of numbered files, such as img%04d.png, and not a file itself."""
    return len(NUMBER.findall(path.name)) == 1 and not path.exists()


class PictureSequence(StepwiseSource):
    """The pictures of a folder without its subfolders, or the files that match a pattern.

    They are ordered by their names, in which numbers count as numbers: img9.png precedes img10.png.

    Args:
        path: the folder, or a pattern such as img%04d.png.
        framerate: frames per second; None: `DEFAULT_FRAMERATE`.
        gray_range: the values of more than 8 bits that become black and white; None: each picture decides.

    Attributes:
        count: number of pictures.
        time_base: seconds per picture.
        damaged: number of pictures that could not be opened up to now. They are skipped.

    Raises:
        PictureError: the folder cannot be listed, or there is no picture.
    """

    full_range = True
    pixel_aspect: Fraction | None = None
    missing = 0

    def __init__(
        self,
        path: str | Path,
        *,
        framerate: float | None = None,
        gray_range: tuple[float, float] | None = None,
    ) -> None:
        rate = Fraction(framerate or DEFAULT_FRAMERATE).limit_denominator(1001)
        super().__init__(str(path), live=False, framerate=float(rate))
        self.time_base = 1 / rate
        self.damaged, self._next, self._gray_range = 0, 0, gray_range
        self._files = _list_pictures(Path(path))
        self.count = len(self._files)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first picture in pixels.

        Raises:
            PictureError: the picture cannot be opened.
        """
        return open_picture(self._files[0]).gray.size

    def _step(self) -> Frame | None:
        if self._next == self.count:
            if self.damaged == self.count:
                raise PictureError(f"{self.name}: none of its pictures can be opened")
            raise EOFError
        number, self._next = self._next, self._next + 1
        try:
            picture = open_picture(self._files[number], gray_range=self._gray_range)
        except PictureError:
            self.damaged += 1
            return None
        colors = None
        if picture.rgb is not None:
            _, cb, cr = picture.rgb.convert("YCbCr").split()
            colors = SourceColors(cb, cr)
        return Frame(picture.gray, float(number * self.time_base), colors=colors)

    def _release(self) -> None:
        """Nothing is held open between two steps."""


def _list_pictures(path: Path) -> list[Path]:
    pattern = is_pattern(path)
    folder = path.parent if pattern else path
    try:
        files = [entry for entry in folder.iterdir() if is_picture_file(entry)]
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror}") from error
    if pattern:
        before, after = NUMBER.split(path.name)
        name = re.compile(rf"{re.escape(before)}\d+{re.escape(after)}")
        files = [entry for entry in files if name.fullmatch(entry.name)]
    if not files:
        raise PictureError(f"{path}: no pictures {'have such names' if pattern else 'in this folder'}")
    return sorted(files, key=_natural_order)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    # Texts and numbers alternate, so that equal positions of two names are compared by the same kind.
    return [(int(part), part) if part.isdigit() else (-1, part) for part in _DIGITS.split(path.name)]
