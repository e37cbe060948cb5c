"""Export the trained network to int8 and color 12 photographs with it: the demonstration of `make demo`.

    python examples/color_photographs.py [OUT]

The program runs the same commands that a user types and prints each of them. It writes to the folder OUT
(default: examples/out/).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

from edgecolor.support.contact_sheet import contact_sheet
from edgecolor_runtime.images.formats import open_image

DEMO = Path(__file__).resolve().parent
REPOSITORY = DEMO.parent
TRAINED = REPOSITORY / "models/s/s.keras"
CALIBRATION = REPOSITORY / "calibration"
EDGECOLOR = Path(sys.executable).with_name("edgecolor")

COLUMNS = ("gray", "ours", "original")
CELL = 256  # pixels a side of one picture on a sheet
README_PHOTOS = ("kodim13", "kodim04", "kodim21", "kodim22")  # stream, face, lighthouse, barn


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
    """Draw gray, ours and original side by side: per photograph, of all, and the README's picture of four."""
    triples: dict[str, tuple[Image.Image, Image.Image, Image.Image]] = {}
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
    pairs = [[triples[name][column] for name in README_PHOTOS] for column in (0, 1)]
    contact_sheet(pairs).save(out / "gray-beside-colored.jpg", quality=92)


def main(out: Path) -> None:
    """Export the network, color the photographs and draw the sheets."""
    gray, colored, sheets = out / "gray", out / "colored", out / "sheets"
    for folder in (gray, colored, sheets):
        folder.mkdir(parents=True, exist_ok=True)

    exported = out / "s_int8.tflite"
    edgecolor("export", TRAINED, "--int8", "--calibration", CALIBRATION, "-o", exported, "--force")

    photos = sorted((DEMO / "photographs").glob("*.jpg"))
    for photo in photos:
        with open_image(photo) as picture:
            picture.convert("L").save(gray / f"{photo.stem}.png")
    edgecolor("run", gray, "--model", exported, "-o", colored, "--force")
    draw_sheets(photos, gray, colored, out)

    for what, where in (
        ("exported model", exported),
        ("colored pictures", colored),
        ("gray | ours | original", sheets),
        ("all on one sheet", out / "sheet.jpg"),
    ):
        print(f"{what + ':':24}{shown(where)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else DEMO / "out")
