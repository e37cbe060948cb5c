"""The chroma of a frame as its source gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.spaces import B_PER_CB, F32, LUMA_B, LUMA_G, LUMA_R, NEUTRAL, R_PER_CR, U8


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
        planes = [np.asarray(fit_plane(plane, size)) for plane in (self.cb, self.cr)]
        if self.limited:
            planes = [_EXPAND_CHROMA[plane] for plane in planes]
        if not self.bt709:
            return y, planes[0], planes[1]
        centered = [plane.astype(np.float32) - np.float32(NEUTRAL) for plane in planes]
        added = _weighted(_LUMA_OF_BT709, centered).round().astype(np.int16)
        wide = np.repeat(np.repeat(added, 2, axis=1), 2, axis=0)[: y.height, : y.width]
        wide += np.asarray(y)
        luma = np.clip(wide, 0, 255, out=wide).astype(np.uint8)
        cb, cr = (to_bytes(_weighted(row, centered) + np.float32(NEUTRAL)) for row in _CHROMA_OF_BT709)
        return Image.fromarray(luma), cb, cr


def fit_plane(plane: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a plane of mode L at this width and height."""
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


def to_bytes(values: F32) -> U8:
    """Round and limit values to 8 bits."""
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
_EXPAND_CHROMA = to_bytes((np.arange(256, dtype=np.float32) - NEUTRAL) * np.float32(255 / 224) + NEUTRAL)
