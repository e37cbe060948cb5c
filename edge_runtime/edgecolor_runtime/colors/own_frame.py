"""Pictures and frames in the colors of their source, where the network's colors are expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.source_colors import fit_plane, to_bytes
from edgecolor_runtime.colors.spaces import F32, NEUTRAL, U8
from edgecolor_runtime.colors.upsampling import double_plane

_NO_PLANE: U8 = np.full((1, 1), NEUTRAL, np.uint8)
NO_CHROMA: F32 = np.zeros((1, 1, 2), np.float32)


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
        return cls(rgb.convert("L"), NO_CHROMA, rgb=rgb)

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


@dataclass(frozen=True)
class MixedFrame(ColorFrame):
    """A frame between the colors of its source and those of the network.

    Attributes:
        own: Cb and Cr of the source at half size, centered on 128.
        share: share of the source's chroma, from 0 to 1.
    """

    own: tuple[U8, U8] = field(default=(_NO_PLANE, _NO_PLANE))
    share: float = 1.0

    @cached_property
    def _planes(self) -> tuple[U8, U8]:
        width, height = self.y.size
        cb, cr = (double_plane(plane, height, width) for plane in self.half_planes())
        return cb, cr

    def half_planes(self) -> tuple[U8, U8]:
        """Return Cb and Cr at half size, shape (ceil(h / 2), ceil(w / 2)) each."""
        size = (-(-self.y.width // 2), -(-self.y.height // 2))
        own = [np.asarray(fit_plane(Image.fromarray(plane), size)) for plane in self.own]
        if self.share >= 1:
            return own[0], own[1]
        predicted = super().half_planes()
        share = np.float32(self.share)
        cb, cr = (
            to_bytes(share * a + (1 - share) * b.astype(np.float32))
            for a, b in zip(own, predicted, strict=True)
        )
        return cb, cr
