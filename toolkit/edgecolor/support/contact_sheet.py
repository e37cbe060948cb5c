"""Contact sheets: rows of pictures side by side on one sheet."""

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
    """Draw rows of pictures on one white sheet.

    Args:
        rows: rows of equally many pictures of any mode and size; each picture is cut to its center square.
        captions: one heading for each picture of a row, drawn above every group of rows.
        cell: width and height of a drawn picture, pixels.
        columns: number of groups of rows side by side. Rows fill the first group downward, then the next.

    Returns:
        An RGB picture.

    Raises:
        UsageError: there are no rows, rows differ in length, or captions do not match the pictures of a row.
    """
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or lengths == [0]:
        raise UsageError(f"A contact sheet needs rows of one length, but they have {lengths or 'no row'}.")
    per_row = lengths[0]
    if captions is not None and len(captions) != per_row:
        raise UsageError(f"{len(captions)} captions for {per_row} pictures per row. Give one for each.")
    if columns < 1 or cell < 1:
        raise UsageError(f"columns {columns}, cell {cell}: both must be at least 1.")
    group_rows = -(-len(rows) // columns)
    groups = -(-len(rows) // group_rows)
    step = cell + MARGIN
    head = CAPTION_HEIGHT if captions else 0
    group_width = per_row * step + GUTTER  # with the gutter after the group
    sheet = Image.new(
        "RGB", (groups * group_width - GUTTER + MARGIN, group_rows * step + MARGIN + head), PAPER
    )
    for group in range(groups):
        left = MARGIN + group * group_width
        _draw_captions(sheet, captions or (), left, step)
        for i, row in enumerate(rows[group * group_rows : (group + 1) * group_rows]):
            for j, picture in enumerate(row):
                sheet.paste(_square(picture, cell), (left + j * step, head + MARGIN + i * step))
    return sheet


def _square(picture: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.BICUBIC)


def _draw_captions(sheet: Image.Image, captions: Sequence[str], left: int, step: int) -> None:
    draw = ImageDraw.Draw(sheet)
    for j, caption in enumerate(captions):
        draw.text((left + j * step, MARGIN), caption, fill=INK, font=ImageFont.load_default())
