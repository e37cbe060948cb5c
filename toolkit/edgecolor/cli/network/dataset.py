"""`edgecolor dataset`: photographs to the memory-mapped form that training reads."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer


def dataset(
    photos: Annotated[Path, typer.Argument(help="A folder of photographs, or of the original .npy arrays.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    split: Annotated[
        Path | None,
        typer.Option(help="CSV with columns file and split (train or val). It names those to hold out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Prepare photographs for training, once.

    Near-gray and toned photographs teach no color: they are left out and counted. Val photographs judge
    the network and are not trained on: one in fifty, but at least 200, and of few no more than a fifth, or
    those that a CSV names. A folder with
    l/gray_scale.npy and ab/ab/ab1.npy is read as the arrays of the original project.

    \b
    Example:
      edgecolor dataset photos/ -o prepared/
    """
    from dataclasses import asdict

    from edgecolor.data.dataset import prepare

    begun = time.monotonic()

    def show(done: int, total: int) -> None:
        if not quiet and (done % 500 == 0 or done == total):
            rate = done / (time.monotonic() - begun)
            print(f"{done}/{total}  {rate:.0f} photographs/s", file=sys.stderr)

    summary = prepare(photos, output, split=split, progress=show)
    if as_json:
        print(json.dumps(asdict(summary)))
        return
    for name in summary.unreadable:
        print(f"unreadable: {name}", file=sys.stderr)
    print(
        f"{output}: {summary.train} train, {summary.val} val of {summary.photographs} photographs; left out "
        f"{summary.near_gray} near-gray, {summary.toned} of one tint, {len(summary.unreadable)} unreadable."
    )
