"""Write gray copies of the photographs of examples/ into a new folder. Usage: make-scans FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from edgecolor_runtime.images.formats import open_image

PHOTOGRAPHS = Path(__file__).parents[3] / "examples/photographs"


def main(folder: Path) -> None:
    """Write the copies."""
    folder.mkdir()
    for file in PHOTOGRAPHS.glob("*.jpg"):
        open_image(file).convert("L").save(folder / file.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
