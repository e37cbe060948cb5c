"""Color 12 photographs with the shipped model: the demonstration of `make demo`.

    python examples/color_photographs.py [--export] [OUT]

The program runs the same commands that a user types and prints each of them. It writes to the folder OUT
(default: examples/out/). With --export it first exports the trained network to int8 and colors with that
file, which needs TensorFlow: `make demo-export`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageOps

from edgecolor.support.contact_sheet import MARGIN, PAPER, contact_sheet
from edgecolor_runtime.images.formats import open_image

DEMO = Path(__file__).resolve().parent
REPOSITORY = DEMO.parent
TRAINED = REPOSITORY / "models/m/m.keras"
CALIBRATION = REPOSITORY / "calibration"
EDGECOLOR = Path(sys.executable).with_name("edgecolor")

COLUMNS = ("gray", "ours", "original")
CELL = 256  # pixels a side of one picture on a sheet
README_PHOTOS = ("kodim21", "kodim23", "kodim13", "kodim16")  # lighthouse, parrots, stream, island
README_SIZE = 480, 320  # pixels of one photograph
GALLERY = {
    "scenes": ("kodim13", "kodim16", "kodim21"),
    "people": ("kodim04", "kodim15", "kodim12"),
    "paint": ("kodim03", "kodim22", "kodim05"),
    "things": ("kodim23", "kodim07", "kodim09"),
}
"""Sheets of docs/gallery.md, with the photographs on each."""

Triple = tuple[Image.Image, Image.Image, Image.Image]  # gray, ours, original


def edgecolor(*arguments: str | Path) -> None:
    """Print one `edgecolor` command and run it in the root of the repository.

    Raises:
        SystemExit: the command fails; with its exit code.
    """
    words = [shown(a) if isinstance(a, Path) else a for a in arguments]
    print(f"$ edgecolor {shlex.join(words)}", file=sys.stderr, flush=True)
    code = subprocess.run([EDGECOLOR, *words], cwd=REPOSITORY, check=False).returncode
    if code:
        sys.exit(code)


def shown(path: Path) -> str:
    """Return the path relative to the root of the repository."""
    return os.path.relpath(path, REPOSITORY)


def draw_sheets(photos: list[Path], gray: Path, colored: Path, out: Path) -> None:
    """Draw gray, ours and original side by side: per photograph, of all, and the documents' pictures."""
    triples: dict[str, Triple] = {}
    for photo in photos:
        (ours,) = colored.glob(f"{photo.stem}.*")
        before = gray / f"{photo.stem}.png"
        triple = open_image(before).convert("RGB"), open_image(ours).convert("RGB"), open_image(photo)
        contact_sheet([triple], captions=COLUMNS, cell=CELL).save(
            out / f"sheets/{photo.stem}.jpg", quality=92
        )
        triples[photo.stem] = triple
    contact_sheet(list(triples.values()), captions=COLUMNS, cell=CELL, columns=2).save(
        out / "sheet.jpg", quality=92
    )
    for name, stems in GALLERY.items():
        contact_sheet([triples[stem] for stem in stems], captions=COLUMNS, cell=CELL).save(
            out / f"gallery/{name}.jpg", quality=85
        )
    draw_halves([triples[stem] for stem in README_PHOTOS]).save(out / "gray-beside-colored.jpg", quality=88)


def draw_halves(triples: list[Triple]) -> Image.Image:
    """Draw photographs in two columns, each with a gray left half and a colored right half."""
    width, height = README_SIZE
    sheet = Image.new("RGB", (2 * width + MARGIN, -(-len(triples) // 2) * (height + MARGIN) - MARGIN), PAPER)
    for i, (gray, ours, _) in enumerate(triples):
        picture = ImageOps.fit(ours, README_SIZE, Image.Resampling.LANCZOS)
        left = ImageOps.fit(gray, README_SIZE, Image.Resampling.LANCZOS).crop((0, 0, width // 2, height))
        picture.paste(left)
        picture.paste(PAPER, (width // 2 - 1, 0, width // 2 + 1, height))
        sheet.paste(picture, (i % 2 * (width + MARGIN), i // 2 * (height + MARGIN)))
    return sheet


def main(out: Path, *, export: bool) -> None:
    """Color the photographs and draw the sheets.

    Args:
        out: folder to write to.
        export: first export the trained network, and color with the exported file.
    """
    gray, colored, sheets = out / "gray", out / "colored", out / "sheets"
    for folder in (gray, colored, sheets, out / "gallery"):
        folder.mkdir(parents=True, exist_ok=True)

    model: str | Path = "m"
    if export:
        model = out / "m_int8.tflite"
        edgecolor("export", TRAINED, "--int8", "--calibration", CALIBRATION, "-o", model, "--force")

    photos = sorted((DEMO / "photographs").glob("*.jpg"))
    for photo in photos:
        with open_image(photo) as picture:
            picture.convert("L").save(gray / f"{photo.stem}.png")
    edgecolor("run", gray, "--model", model, "-o", colored, "--force")
    draw_sheets(photos, gray, colored, out)

    if export:
        print(f"{'exported model:':24}{shown(out / 'm_int8.tflite')}")
    for what, where in (
        ("colored pictures", colored),
        ("gray | ours | original", sheets),
        ("all on one sheet", out / "sheet.jpg"),
    ):
        print(f"{what + ':':24}{shown(where)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", default=DEMO / "out", help="default: examples/out")
    parser.add_argument("--export", action="store_true", help="first export the trained network")
    arguments = parser.parse_args()
    main(arguments.out.resolve(), export=arguments.export)
