"""Draw what hints do: `python scripts/draw_hints.py PHOTOGRAPH HINTS -o PICTURE`.

The picture shows the photograph as the network colors it, in gray with the hints, and colored with the hints.
docs/by-hand.jpg was made from examples/photographs/kodim23.jpg and docs/by-hand.hints.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.hint_file import read_hints
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.shipped import PHOTO_MODEL, open_model

RADIUS = 6  # of a hint, pixels
KEPT = (128, 128, 128)  # shown for a place that keeps its color
QUALITY = 88


def draw(photograph: Path, hints: Path) -> Image.Image:
    """Return the three pictures side by side, mode RGB."""
    colorizer = Colorizer(open_model(PHOTO_MODEL))
    gray, hint_set = open_picture(photograph).gray, read_hints(hints)
    marked = gray.convert("RGB")
    pen = ImageDraw.Draw(marked)
    for hint in hint_set.hints:
        box = hint.x - RADIUS, hint.y - RADIUS, hint.x + RADIUS, hint.y + RADIUS
        pen.ellipse(box, fill=hint.color or KEPT, outline="white", width=2)
    pictures = (
        colorizer.colorize(gray).to_rgb(),
        marked,
        colorizer.colorize(gray, hint_set).to_rgb(),
    )
    sheet = Image.new("RGB", (3 * gray.width, gray.height))
    for column, picture in enumerate(pictures):
        sheet.paste(picture, (column * gray.width, 0))
    return sheet


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photograph", type=Path)
    parser.add_argument("hints", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JPEG file to write")
    arguments = parser.parse_args()
    try:
        draw(arguments.photograph, arguments.hints).save(arguments.output, quality=QUALITY)
    except EdgecolorError as error:
        print(f"draw_hints.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
