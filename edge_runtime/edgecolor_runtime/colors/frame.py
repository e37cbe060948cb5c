"""A colored frame, its luma unchanged and its chroma from the network; alone, and as one of a series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image

from edgecolor_runtime.colors import upsampling
from edgecolor_runtime.colors.spaces import F32, U8, U16, ycc_to_rgb


@dataclass(frozen=True)
class ColorFrame:
    """A colored frame.

    Attributes:
        y: luma of the gray frame, unchanged: mode L.
        chroma: predicted (Cb, Cr) centered on 0, not limited, shape (56, 56, 2).
        seen: mean luma under each chroma pixel, shape (56, 56). It guides the upsampling, which then follows
            the edges of the luma. None: upsample without a guide.
    """

    y: Image.Image
    chroma: F32
    seen: F32 | None = None

    @cached_property
    def _planes(self) -> tuple[U8, U8]:
        luma = np.asarray(self.y)
        return upsampling.upsample_chroma(self.chroma, luma, luma, self.seen)

    def half_planes(self) -> tuple[U8, U8]:
        """Return Cb and Cr at half size, as 4:2:0 stores them, shape (ceil(h / 2), ceil(w / 2)) each.

        This takes a quarter of the time of full planes.
        """
        return upsampling.upsample_chroma(self.chroma, *upsampling.halve_luma(np.asarray(self.y)), self.seen)

    def rgb_strips(self, rows: int) -> Iterator[U8]:
        """Yield the pixels of `to_rgb` from top to bottom, shape (rows, w, 3), the last strip with the rest.

        The whole frame is never in memory.
        """
        upsampler = self._upsampler(*self.y.size[::-1])
        for top, y in self._luma_strips(rows):
            luma = np.asarray(y)
            planes = upsampler.rounded(top, luma, luma)
            yield np.asarray(Image.merge("YCbCr", (y, *map(Image.fromarray, planes))).convert("RGB"))

    def deep_rgb_strips(self, luma: U16, rows: int) -> Iterator[U16]:
        """Yield 16-bit RGB from top to bottom, shape (rows, w, 3), the last strip with the rest.

        Args:
            luma: the luma of `y` with 16 bits, shape (h, w). That of the result differs by at most 1.
            rows: rows of a strip.
        """
        upsampler = self._upsampler(*luma.shape)
        for top in range(0, len(luma), rows):
            y = luma[top : top + rows].astype(np.float32) / np.float32(257)
            rgb = ycc_to_rgb(y, upsampler.exact(top, y, y))
            yield np.rint(rgb * np.float32(257)).clip(0, 65535).astype(np.uint16)

    def ycbcr_strips(self, rows: int) -> Iterator[Image.Image]:
        """Yield the pixels of `to_ycbcr` from top to bottom, the last strip with the rest; `rows` is even."""
        width, height = self.y.size
        upsampler = self._upsampler(-(-height // 2), -(-width // 2))
        for top, y in self._luma_strips(rows):
            planes = upsampler.rounded(top // 2, *upsampling.halve_luma(np.asarray(y)))
            full = (Image.fromarray(upsampling.double_plane(plane, y.height, width)) for plane in planes)
            yield Image.merge("YCbCr", (y, *full))

    def _luma_strips(self, rows: int) -> Iterator[tuple[int, Image.Image]]:
        width, height = self.y.size
        for top in range(0, height, rows):
            yield top, self.y.crop((0, top, width, min(top + rows, height)))

    def _upsampler(self, h: int, w: int) -> upsampling.ChromaUpsampler:
        return upsampling.ChromaUpsampler(self.chroma, (h, w), self.seen)

    @property
    def cb(self) -> Image.Image:
        """Cb at full size: mode L, centered on 128, limited to values that RGB can show."""
        return Image.fromarray(self._planes[0])

    @property
    def cr(self) -> Image.Image:
        """Cr at full size: mode L, centered on 128, limited to values that RGB can show."""
        return Image.fromarray(self._planes[1])

    def to_rgb(self) -> Image.Image:
        """Return the frame in mode RGB. Its BT.601 luma differs from `y` by at most 1."""
        return Image.merge("YCbCr", (self.y, self.cb, self.cr)).convert("RGB")

    def to_ycbcr(self) -> Image.Image:
        """Return the frame in mode YCbCr for an encoder with 4:2:0: each 2 x 2 pixels share their chroma."""
        width, height = self.y.size
        full = (
            Image.fromarray(upsampling.double_plane(plane, height, width)) for plane in self.half_planes()
        )
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
            "invoke" (missing where the network did not run), "finish". A writer or a preview that encodes
            the frame adds "encode".
    """

    number: int
    frame: ColorFrame
    seconds: float
    dropped: int = 0
    times: dict[str, float] = field(default_factory=dict)
