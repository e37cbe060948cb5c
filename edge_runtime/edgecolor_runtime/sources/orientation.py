"""Frames rotated and mirrored, for a camera that is mounted upside down or a video in portrait format."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from edgecolor_runtime.errors import UsageError

_TRANSPOSE = {
    90: Image.Transpose.ROTATE_270,  # Pillow rotates counterclockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Orientation:
    """How frames are turned: first rotated, then mirrored.

    Attributes:
        rotation: degrees clockwise: 0, 90, 180 or 270.
        hflip: mirror horizontally: left becomes right.
        vflip: mirror vertically: top becomes bottom.

    Raises:
        UsageError: the rotation is another angle.
    """

    rotation: int = 0
    hflip: bool = False
    vflip: bool = False

    def __post_init__(self) -> None:
        if self.rotation not in (0, *_TRANSPOSE):
            raise UsageError(f"rotation {self.rotation}: expected 0, 90, 180 or 270")

    def apply(self, gray: Image.Image) -> Image.Image:
        """Return the picture rotated and mirrored, or the picture itself if there is nothing to do."""
        if self.rotation:
            gray = gray.transpose(_TRANSPOSE[self.rotation])
        if self.hflip:
            gray = gray.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.vflip:
            gray = gray.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        return gray


UPRIGHT = Orientation()
"""Frames stay as they are."""
