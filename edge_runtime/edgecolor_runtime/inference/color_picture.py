"""Color one picture in one call."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from edgecolor_runtime.colors.hints import HintSet
from edgecolor_runtime.images.reader import open_picture, read_image
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.shipped import PHOTO_MODEL, open_model


def color(
    source: str | Path | Image.Image,
    *,
    model: str | Path = PHOTO_MODEL,
    saturation: float | None = None,
    hints: HintSet | None = None,
) -> Image.Image:
    """Return a picture in color.

    Every call loads the model again, which takes about as long as coloring. For many pictures, keep a
    `Colorizer`.

    Args:
        source: path of a picture file, or an open picture of any mode and size.
        model: name of a shipped model, or path of a model file.
        saturation: gain on the predicted colors, at least 0; 0 is gray (default: the model's own).
        hints: colors given by hand.

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
    colored = colorizer.colorize(picture.gray, hints).to_rgb()
    if picture.alpha is not None:
        colored.putalpha(picture.alpha)
    return colored
