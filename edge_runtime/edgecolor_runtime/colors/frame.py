"""A colored frame, its luma unchanged and its chroma from the network; alone, and as one of a series."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Shot:
    """A colored frame of a camera or a video, with its number and its times.

    Attributes:
        number: number among the colored frames, counted from 0.
        frame: the colored frame.
        seconds: time stamp of the gray frame, on the clock of its source.
        dropped: number of frames that were left out up to this one.
        times: seconds spent in each stage: "capture" (from exposure to the start of processing), "prepare",
            "invoke", "finish". A writer or a preview that encodes the frame adds "encode".
    """

    number: int
    frame: ColorFrame
    seconds: float
    dropped: int = 0
    times: dict[str, float] = field(default_factory=dict)
