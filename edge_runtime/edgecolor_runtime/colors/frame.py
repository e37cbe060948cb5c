"""A colored frame: luma as it came, chroma from the network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from edgecolor_runtime.colors import upsampling
from edgecolor_runtime.colors.spaces import F32, U8


@dataclass(frozen=True)
class ColorFrame:
    """A colored frame.

    Attributes:
        y: Its luma, as it came: mode L.
        chroma: Predicted (Cb, Cr) centered on 0, before any limit, shape (56, 56, 2).
        seen: The luma under each of them, shape (56, 56), where chroma is to keep to the edges of the luma;
            None where it is upsampled without a guide.
    """

    y: Image.Image
    chroma: F32
    seen: F32 | None = None

    @cached_property
    def _planes(self) -> tuple[U8, U8]:
        luma = np.asarray(self.y)
        return upsampling.planes(self.chroma, luma, luma, self.seen)

    def half_planes(self) -> tuple[U8, U8]:
        """Cb and Cr at half the size, shape (ceil(h / 2), ceil(w / 2)) each, as 4:2:0 keeps them.

        Four times cheaper than exact planes.
        """
        return upsampling.planes(self.chroma, *upsampling.halves(np.asarray(self.y)), self.seen)

    @property
    def cb(self) -> Image.Image:
        """Cb at full size, mode L centered on 128, limited so that RGB does not clip."""
        return Image.fromarray(self._planes[0])

    @property
    def cr(self) -> Image.Image:
        """Cr at full size, mode L centered on 128, limited so that RGB does not clip."""
        return Image.fromarray(self._planes[1])

    def to_rgb(self) -> Image.Image:
        """The frame in mode RGB. Its BT.601 luma is `y`, within 1."""
        return Image.merge("YCbCr", (self.y, self.cb, self.cr)).convert("RGB")

    def to_ycbcr(self) -> Image.Image:
        """The frame in mode YCbCr for an encoder that halves chroma (4:2:0): 2 x 2 pixels share theirs."""
        w, h = self.y.size
        full = (Image.fromarray(upsampling.double(plane, h, w)) for plane in self.half_planes())
        return Image.merge("YCbCr", (self.y, *full))
