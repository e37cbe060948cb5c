"""Pictures and frames in the colors of their source, where the network's colors are expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.spaces import B_PER_CB, F32, LUMA_B, LUMA_G, LUMA_R, R_PER_CR, U8
from edgecolor_runtime.colors.upsampling import NEUTRAL, double_plane

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
class SourceColors:
    """The chroma of a frame as its source gives it.

    Attributes:
        cb: Cb centered on 128, mode L, of any size.
        cr: Cr, same size.
        limited: chroma spans 16 to 240, not 0 to 255.
        bt709: luma and chroma are those of BT.709, not of BT.601.
    """

    cb: Image.Image
    cr: Image.Image
    limited: bool = False
    bt709: bool = False

    def turned(self, turn: Callable[[Image.Image], Image.Image]) -> SourceColors:
        """Return the chroma of a frame that is rotated and mirrored."""
        return replace(self, cb=turn(self.cb), cr=turn(self.cr))

    def to_bt601(self, y: Image.Image) -> tuple[Image.Image, U8, U8]:
        """Return luma, and Cb and Cr at half size, all of BT.601 in full range.

        Args:
            y: luma of the frame in full range, mode L.
        """
        size = (-(-y.width // 2), -(-y.height // 2))
        planes = [np.asarray(_resize(plane, size)) for plane in (self.cb, self.cr)]
        if self.limited:
            planes = [_EXPAND_CHROMA[plane] for plane in planes]
        if not self.bt709:
            return y, planes[0], planes[1]
        centered = [plane.astype(np.float32) - np.float32(NEUTRAL) for plane in planes]
        added = _weighted(_LUMA_OF_BT709, centered).round().astype(np.int16)
        wide = np.repeat(np.repeat(added, 2, axis=1), 2, axis=0)[: y.height, : y.width]
        wide += np.asarray(y)
        luma = np.clip(wide, 0, 255, out=wide).astype(np.uint8)
        cb, cr = (_to_bytes(_weighted(row, centered) + np.float32(NEUTRAL)) for row in _CHROMA_OF_BT709)
        return Image.fromarray(luma), cb, cr


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
        own = [np.asarray(_resize(Image.fromarray(plane), size)) for plane in self.own]
        if self.share >= 1:
            return own[0], own[1]
        predicted = super().half_planes()
        share = np.float32(self.share)
        cb, cr = (
            _to_bytes(share * a + (1 - share) * b.astype(np.float32))
            for a, b in zip(own, predicted, strict=True)
        )
        return cb, cr


def _resize(plane: Image.Image, size: tuple[int, int]) -> Image.Image:
    if plane.size == size:
        return plane
    if 0 <= plane.width - size[0] <= 1 and 0 <= plane.height - size[1] <= 1:
        return plane.crop((0, 0, *size))  # an odd row or column that an encoder leaves out
    return plane.resize(size, Image.Resampling.BOX)


def _weighted(weights: F32, chroma: list[F32]) -> F32:
    """Return the weighted sum of Cb and Cr, without BLAS, whose threads would cost more than they save."""
    total: F32 = weights[0] * chroma[0]
    total += weights[1] * chroma[1]
    return total


def _to_bytes(values: F32) -> U8:
    rounded: U8 = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded


def _bt709_to_bt601() -> tuple[F32, F32]:
    """Return what BT.709 chroma adds to BT.601 luma, shape (2,), and BT.601 chroma of it, shape (2, 2).

    Source: ITU-R BT.709-6, 3.2 and 3.3.
    """
    r, b = 0.2126, 0.0722
    rgb_of_chroma = np.array(
        [[0, 2 * (1 - r)], [-2 * b * (1 - b) / (1 - r - b), -2 * r * (1 - r) / (1 - r - b)], [2 * (1 - b), 0]]
    )
    luma = np.array([LUMA_R, LUMA_G, LUMA_B]) @ rgb_of_chroma
    chroma = np.stack([(rgb_of_chroma[2] - luma) / B_PER_CB, (rgb_of_chroma[0] - luma) / R_PER_CR])
    return luma.astype(np.float32), chroma.astype(np.float32)


_LUMA_OF_BT709, _CHROMA_OF_BT709 = _bt709_to_bt601()
_EXPAND_CHROMA = _to_bytes((np.arange(256, dtype=np.float32) - NEUTRAL) * np.float32(255 / 224) + NEUTRAL)
