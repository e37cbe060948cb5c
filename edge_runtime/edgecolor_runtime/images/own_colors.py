"""A picture that is in color itself: whether it is, and its file with its own colors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgecolor_runtime.colors.own_frame import OwnColorFrame
from edgecolor_runtime.colors.true_color import is_true_color, sample_image
from edgecolor_runtime.images.formats import find_format, format_of
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.images.writer import DEFAULT_QUALITY, encode_for

KEPT_NOTE = "is in color already and was kept as it is; --recolor gives it new colors"
"""What a user should know about a picture whose own colors were kept."""


def is_in_color(picture: Picture) -> bool:
    """Return whether a picture shows colors: not gray, and neither toned nor under a colored light."""
    return picture.rgb is not None and is_true_color(*sample_image(picture.rgb))


def keep_colors(
    path: Path, source: bytes | None, *, of: Picture, quality: int = DEFAULT_QUALITY
) -> tuple[bytes, tuple[str, ...]]:
    """Return the content of a file that shows a picture in its own colors.

    Args:
        path: the file; its extension chooses the format.
        source: the bytes of the picture's file, which are returned as they are if they have this format;
            None: the picture is only a part of the file.
        of: the picture.
        quality: quality of JPEG and WebP, 1 to 100.

    Returns:
        The bytes of the file, and what a user should know.

    Raises:
        UsageError: the extension names no format.
        PictureError: the format holds no picture of this size.
    """
    if source is not None and find_format(source) == format_of(path):
        return source, (KEPT_NOTE,)
    frame = OwnColorFrame.of_rgb(of.to_rgb())
    data, notes = encode_for(path, frame, of=replace(of, deep=None), quality=quality, label=False)
    return data, (KEPT_NOTE, *of.notes, *notes)
