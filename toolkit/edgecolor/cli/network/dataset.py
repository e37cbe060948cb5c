"""`edgecolor dataset`: prepare photographs for training."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from edgecolor.cli.common.messages import print_line, print_lines, progress_printer
from edgecolor.cli.common.options import AsJson, Quiet

PROGRESS_EVERY = 500  # photographs between two lines of progress


def dataset(
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTOS", help="Folder of photographs, or of the original project's .npy arrays."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to create.")],
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="CSV file that names the photographs to hold out, in the columns file and split "
            "(train or val).",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Convert photographs to the form that training reads.

    Near-gray and toned photographs teach no color; they are counted and left out. Val photographs measure the
    network and are not trained on. They are one in 50, but at least 200; of few photographs they are at most
    one in 5. A CSV file can name them instead. A folder with l/gray_scale.npy and ab/ab/ab1.npy is read as
    the arrays of the original project.

    \b
    Example:
      edgecolor dataset photos/ -o prepared/
    """
    from dataclasses import asdict

    from edgecolor.data.dataset import prepare_dataset

    begun = time.monotonic()
    print_progress = progress_printer(quiet)

    def show_progress(done: int, total: int) -> None:
        if done % PROGRESS_EVERY == 0 or done == total:
            print_progress(f"{done}/{total}  {done / (time.monotonic() - begun):.0f} photographs per second")

    summary = prepare_dataset(photos, output, split=split, on_progress=show_progress)
    if as_json:
        print(json.dumps(asdict(summary)))
        return
    for name, reason in summary.unreadable.items():
        print_line(f"{name}: {reason}; left out")
    print_lines(
        f"{output}: {summary.train} train, {summary.val} val of {summary.photographs} photographs; left out "
        f"{summary.near_gray} near-gray, {summary.toned} of one tint, {len(summary.unreadable)} unreadable."
    )
