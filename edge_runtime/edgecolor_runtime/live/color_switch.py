"""Which colors a frame of a camera or a video shows: those of its source while it has them, else ours.

A camera that is in color by day and gray by night switches between two frames. The colors fade over three
frames, so that nothing jumps, and they do not switch back and forth near the border.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgecolor_runtime.colors.source_colors import SourceColors
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.colors.true_color import TRUE_COLOR, measure_colors, sample_plane

FADE_FRAMES = 3
"""Number of frames after which only the new colors are left."""

_COLOR_ABOVE = 1.25 * TRUE_COLOR  # a gray source is in color from here
_GRAY_BELOW = 0.5 * TRUE_COLOR  # a source in color is gray below this
_DARK_LEVEL = 16.0  # mean luma; a darker frame shows no colors, and changes nothing


class ColorSwitch:
    """Decides for each frame of one source how much of its own colors it shows.

    After each frame, `share` and `own` say how to show it.
    """

    def __init__(self) -> None:
        self._steps = 0  # of FADE_FRAMES
        self._in_color: bool | None = None
        self._own: tuple[U8, U8] | None = None

    @property
    def share(self) -> float:
        """Share of the source's own colors in the last frame, from 0 to 1."""
        return self._steps / FADE_FRAMES

    @property
    def own(self) -> tuple[U8, U8] | None:
        """Cb and Cr at half size to show with `share`; None if `share` is 0.

        After the source has turned gray, they are those of its last frame in color.
        """
        return self._own if self._steps else None

    def follow(self, gray: Image.Image, colors: SourceColors | None, *, restarted: bool) -> Image.Image:
        """Take the next frame, and return its luma.

        Args:
            gray: luma of the frame, mode L.
            colors: its chroma; None if the source is gray by its format.
            restarted: the frame may show another scene than the frame before.
        """
        if restarted:
            self._in_color = None
        was_in_color = self._in_color
        self._in_color = self._decide(gray, colors)
        if was_in_color is None:
            self._steps = FADE_FRAMES if self._in_color else 0
        else:
            self._steps = min(FADE_FRAMES, max(0, self._steps + (1 if self._in_color else -1)))
        if not self._in_color or colors is None:
            return gray
        luma, *own = colors.to_bt601(gray)
        self._own = own[0], own[1]
        return luma

    def _decide(self, gray: Image.Image, colors: SourceColors | None) -> bool:
        """Return whether the source is in color now."""
        if colors is None:
            return False
        luma = sample_plane(np.asarray(gray))
        if self._in_color is not None and luma.mean() < _DARK_LEVEL:
            return self._in_color
        cb, cr = (sample_plane(np.asarray(plane)) for plane in (colors.cb, colors.cr))
        measure = measure_colors(luma, cb, cr)
        if self._in_color is None:
            return measure >= TRUE_COLOR
        return measure >= (_GRAY_BELOW if self._in_color else _COLOR_ABOVE)
