"""How do I color a folder of photographs from a program?

    python examples/color_a_folder.py album/ colored/

Running the program again resumes an interrupted run.
"""

import sys
from pathlib import Path

from edgecolor import color_folder


def main(folder: Path, output: Path) -> None:
    """Color every gray photograph of a folder, and print which are in color and which failed."""
    summary = color_folder(folder, output)
    for result in summary.kept:
        print(f"in color, copied: {result.job.source}")
    for result in summary.failed:
        print(f"failed: {result.error}")
    print(f"{len(summary.colored)} photographs in {output}, {summary.resumed} of them from an earlier run")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
