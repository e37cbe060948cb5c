"""Contact sheets: gray, ours and original side by side, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from edgecolor_runtime.errors import UsageError

PAPER = (255, 255, 255)
INK = (40, 40, 40)
MARGIN = 4  # pixels between pictures and around the sheet
GUTTER = 4 * MARGIN  # pixels between two groups of rows
CAPTION_HEIGHT = 20  # pixels


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]],
    *,
    captions: Sequence[str] | None = None,
    cell: int = 224,
    columns: int = 1,
) -> Image.Image:
    """Draws rows of pictures on one white sheet.

    Args:
        rows: n rows of equally many pictures, any mode and size: each is cut to its center square.
        captions: one heading for each picture of a row, drawn above every group.
        cell: pixels a side of one drawn picture.
        columns: groups of rows side by side; the rows fill the first group from top to bottom, then the next.

    Returns:
        One RGB picture.

    Raises:
        UsageError: no rows, rows of unequal length, or not one caption a picture.
    """
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or lengths == [0]:
        raise UsageError(f"A contact sheet needs rows of one length; found lengths {lengths or 'of no row'}.")
    per_row = lengths[0]
    if captions is not None and len(captions) != per_row:
        raise UsageError(f"{len(captions)} captions for {per_row} pictures a row: give one each.")
    if columns < 1 or cell < 1:
        raise UsageError(f"columns {columns} and cell {cell} must be at least 1.")
    deep = -(-len(rows) // columns)  # rows in one group
    groups = -(-len(rows) // deep)
    step = cell + MARGIN
    head = CAPTION_HEIGHT if captions else 0
    wide = per_row * step + GUTTER  # one group and the gutter after it
    sheet = Image.new("RGB", (groups * wide - GUTTER + MARGIN, deep * step + MARGIN + head), PAPER)
    for group in range(groups):
        left = MARGIN + group * wide
        _draw_captions(sheet, captions or (), left, step)
        for i, row in enumerate(rows[group * deep : (group + 1) * deep]):
            for j, picture in enumerate(row):
                sheet.paste(_square(picture, cell), (left + j * step, head + MARGIN + i * step))
    return sheet


def _square(picture: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.BICUBIC)


def _draw_captions(sheet: Image.Image, captions: Sequence[str], left: int, step: int) -> None:
    draw = ImageDraw.Draw(sheet)
    for j, caption in enumerate(captions):
        draw.text((left + j * step, MARGIN), caption, fill=INK, font=ImageFont.load_default())
