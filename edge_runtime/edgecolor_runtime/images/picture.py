"""A page of a picture file as its format's reader hands it over, and the picture that is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from edgecolor_runtime.images.metadata import Metadata

if TYPE_CHECKING:
    from edgecolor_runtime.colors.spaces import U16
    from edgecolor_runtime.file_formats.tiff_directory import Block

Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a picture in pixels."""


@dataclass(frozen=True)
class DecodedPage:
    """One page of a file, as its pixels lie in the file.

    Attributes:
        image: its pixels, in any mode of Pillow.
        deep: its luma with 16 bits, shape (h, w), if a TIFF file has more than 8 bits; else None.
        info: its metadata under Pillow's names: "icc_profile", "exif", "dpi", "xmp" and others.
        directories: the directories of a TIFF file with its metadata; None for another format.
        texts: keyword -> text, of a PNG file.
        orientation: how to turn it upright: 1 to 8, as in EXIF.
        pages: number of pages in the file.
        kind_of_pages: "pages" or "frames".
        notes: what a user should know, one sentence each.
        missing: the parts that the file does not hold.
        damage: what is damaged, one sentence each.
    """

    image: Image.Image
    deep: U16 | None = None
    info: Mapping[str, object] = field(default_factory=dict)
    directories: Block | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    orientation: int = 1
    pages: int = 1
    kind_of_pages: str = "pages"
    notes: tuple[str, ...] = ()
    missing: tuple[Box, ...] = ()
    damage: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """An opened picture.

    Attributes:
        gray: BT.601 luma of the picture in sRGB, as a color-managed viewer shows it: mode L, upright.
        rgb: the colors of the source, mode RGB, upright; None if the source has none: one channel, or three
            channels that are equal at every third pixel.
        alpha: opacity, mode L, same size; None if the picture has no transparency.
        deep: the luma with 16 bits, shape (h, w), if the source has more than 8 bits; else None.
        icc: ICC profile of sRGB: the source's own, or ours if the pixels were converted to sRGB; None if the
            source has none that fits its pixels.
        metadata: what the file says about the picture.
        pages: number of pages or frames in the file.
        modified_ns: time of the last change of the file, in ns since 1970; None if it is not a file.
        notes: what a user should know about the picture, one sentence each.
    """

    gray: Image.Image
    rgb: Image.Image | None = None
    alpha: Image.Image | None = None
    deep: U16 | None = field(default=None, compare=False)
    icc: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    pages: int = 1
    modified_ns: int | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()

    def to_rgb(self) -> Image.Image:
        """Return the source in mode RGB; gray if it has no colors."""
        return self.rgb or self.gray.convert("RGB")
