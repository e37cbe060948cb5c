"""Color one picture: in one call, or from file to file. A picture that is in color keeps its own colors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edgecolor_runtime.colors.hints import HintSet
from edgecolor_runtime.images.own_colors import is_in_color, keep_colors
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.images.reader import open_picture, read_image
from edgecolor_runtime.images.writer import DEFAULT_QUALITY, encode_for
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.shipped import PHOTO_MODEL, open_model


def color(
    source: str | Path | Image.Image,
    *,
    model: str | Path = PHOTO_MODEL,
    saturation: float | None = None,
    hints: HintSet | None = None,
    recolor: bool = False,
) -> Image.Image:
    """Return a picture in color. A picture that is in color is returned in its own colors.

    Every call loads the model again, which takes about as long as coloring. For many pictures, keep a
    `Colorizer`.

    Args:
        source: path of a picture file, or an open picture of any mode and size.
        model: name of a shipped model, or path of a model file.
        saturation: gain on the predicted colors, at least 0; 0 is gray (default: the model's own).
        hints: colors given by hand.
        recolor: give new colors also to a picture that is in color.

    Returns:
        The upright picture in mode RGB, or RGBA if `source` has transparency.

    Raises:
        PictureError: the source is not a picture that can be read.
        ModelFileError: there is no such model, or it is damaged.
        UsageError: the saturation is negative or not a number, or the hints do not fit the picture.
        MissingError: no interpreter library is installed.
    """
    colorizer = Colorizer(open_model(model), saturation=saturation)
    picture = read_image(source) if isinstance(source, Image.Image) else open_picture(source)
    if is_in_color(picture) and not recolor and hints is None:
        colored = picture.to_rgb().copy()
    else:
        colored = colorizer.colorize(picture.gray, hints).to_rgb()
    if picture.alpha is not None:
        colored.putalpha(picture.alpha)
    return colored


@dataclass(frozen=True)
class ColoredFile:
    """The content of the file of a colored picture.

    Attributes:
        data: the bytes of the file.
        notes: what a user should know, one sentence each.
        in_color: the picture is in color itself.
        kept: the file has the picture's own colors.
    """

    data: bytes
    notes: tuple[str, ...]
    in_color: bool
    kept: bool


def color_file(
    colorizer: Colorizer,
    picture: Picture,
    read_source: Callable[[], bytes],
    target: Path,
    *,
    page: int | None = None,
    quality: int = DEFAULT_QUALITY,
    label: bool = True,
    hints: HintSet | None = None,
    recolor: bool = False,
) -> ColoredFile:
    """Return the file of a colored picture. Nothing is written.

    Args:
        colorizer: the model.
        picture: the picture.
        read_source: returns the bytes of the picture's file. Called if the picture is in color.
        target: the file; its extension chooses the format.
        page: number of the page that was read; None: the picture stands for the whole file.
        quality: quality of JPEG and WebP, 1 to 100.
        label: state in the file's XMP that the colors are computed.
        hints: colors given by hand. A picture in color gets new colors, too.
        recolor: give new colors also to a picture that is in color.

    Raises:
        UsageError: the extension names no format, or the quality is out of range.
        PictureError: the format holds no picture of this size.
        OSError: the source cannot be read.
    """
    in_color = is_in_color(picture)
    if in_color and not recolor and hints is None:
        source = read_source() if page is None else None
        data, notes = keep_colors(target, source, of=picture, quality=quality)
        return ColoredFile(data, notes, in_color, kept=True)
    frame = colorizer.colorize(picture.gray, hints)
    data, notes = encode_for(target, frame, of=picture, quality=quality, label=label)
    return ColoredFile(data, (*picture.notes, *notes), in_color, kept=False)
