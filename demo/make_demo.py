"""The demonstration: export the trained network to int8 and colour 12 photographs with it.

It calls the same commands that a user types, and prints each. Everything lands in demo/out/.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

from edgecolor.sheet import contact_sheet

DEMO = Path(__file__).resolve().parent
REPOSITORY = DEMO.parent
OUT = DEMO / "out"
TRAINED = REPOSITORY / "models/s/s.keras"
CALIBRATION = REPOSITORY / "calibration"
EXPORTED = OUT / "s_int8.tflite"
EDGECOLOR = Path(sys.executable).with_name("edgecolor")

COLUMNS = ("gray", "ours", "original")
CELL = 256  # pixels a side of one picture on a sheet


def edgecolor(*arguments: str | Path) -> None:
    """Run one `edgecolor` command from the repository's root, after printing it.

    Raises:
        SystemExit: with the command's own exit code, when it fails.
    """
    words = [str(a.relative_to(REPOSITORY)) if isinstance(a, Path) else a for a in arguments]
    print(f"$ edgecolor {shlex.join(words)}", file=sys.stderr, flush=True)
    code = subprocess.run([EDGECOLOR, *words], cwd=REPOSITORY, check=False).returncode
    if code:
        sys.exit(code)


def main() -> None:
    """Export, make gray, colour, and lay side by side."""
    gray, coloured, sheets = OUT / "gray", OUT / "coloured", OUT / "sheets"
    for folder in (gray, coloured, sheets):
        folder.mkdir(parents=True, exist_ok=True)

    edgecolor(
        "export", TRAINED, "--int8", "--calibration", REPOSITORY / "calibration", "-o", EXPORTED, "--force"
    )

    photos = sorted((DEMO / "photos").glob("*.jpg"))
    for photo in photos:
        with Image.open(photo) as picture:
            picture.convert("L").save(gray / f"{photo.stem}.png")
    edgecolor("run", gray, "--model", EXPORTED, "-o", coloured, "--force")

    triples: list[list[Image.Image]] = []
    for photo in photos:
        (ours,) = coloured.glob(f"{photo.stem}.*")
        triple = [Image.open(path).convert("RGB") for path in (gray / f"{photo.stem}.png", ours, photo)]
        contact_sheet([triple], captions=COLUMNS, cell=CELL).save(sheets / f"{photo.stem}.jpg", quality=92)
        triples.append(triple)
    contact_sheet(triples, captions=COLUMNS, cell=CELL, columns=2).save(OUT / "sheet.jpg", quality=92)

    for what, where in (
        ("exported model", EXPORTED),
        ("coloured pictures", coloured),
        ("gray | ours | original", sheets),
        ("all on one sheet", OUT / "sheet.jpg"),
    ):
        print(f"{what + ':':24}{where.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
