"""A picture in its own colors, where the network's colors are expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import F32, U8

_NO_CHROMA: F32 = np.zeros((1, 1, 2), np.float32)


@dataclass(frozen=True)
class OwnColorFrame(ColorFrame):
    """A frame that shows a picture in its own colors. Create it with `of_rgb`.

    Attributes:
        rgb: the picture, mode RGB.
    """

    rgb: Image.Image | None = None

    @classmethod
    def of_rgb(cls, rgb: Image.Image) -> OwnColorFrame:
        """Return the frame of a picture of mode RGB."""
        return cls(rgb.convert("L"), _NO_CHROMA, rgb=rgb)

    def to_rgb(self) -> Image.Image:
        """Return a copy of the picture."""
        assert self.rgb is not None
        return self.rgb.copy()

    def to_ycbcr(self) -> Image.Image:
        """Return the picture in mode YCbCr."""
        return self.to_rgb().convert("YCbCr")

    def rgb_strips(self, rows: int) -> Iterator[U8]:
        """Yield the pixels from top to bottom, shape (rows, w, 3), the last strip with the rest."""
        for strip in self._strips(rows):
            yield np.asarray(strip)

    def ycbcr_strips(self, rows: int) -> Iterator[Image.Image]:
        """Yield the picture in mode YCbCr from top to bottom, the last strip with the rest."""
        for strip in self._strips(rows):
            yield strip.convert("YCbCr")

    def _strips(self, rows: int) -> Iterator[Image.Image]:
        assert self.rgb is not None
        width, height = self.rgb.size
        for top in range(0, height, rows):
            yield self.rgb.crop((0, top, width, min(top + rows, height)))
