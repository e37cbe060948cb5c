"""A frame turned and mirrored: a camera that hangs upside down, a video taken with an upright telephone."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from edgecolor_runtime.errors import UsageError

_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


@dataclass(frozen=True)
class Turn:
    """First the rotation, then the mirrors.

    Attributes:
        rotation: Degrees clockwise: 0, 90, 180 or 270.
        hflip: Left becomes right.
        vflip: Top becomes bottom.
    """

    rotation: int = 0
    hflip: bool = False
    vflip: bool = False

    def __post_init__(self) -> None:
        if self.rotation not in (0, *_TURNS):
            raise UsageError(f"rotation {self.rotation}: expected 0, 90, 180 or 270")

    def __call__(self, gray: Image.Image) -> Image.Image:
        """The picture, turned; itself where nothing is to be done."""
        if self.rotation:
            gray = gray.transpose(_TURNS[self.rotation])
        if self.hflip:
            gray = gray.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.vflip:
            gray = gray.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        return gray


UPRIGHT = Turn()
