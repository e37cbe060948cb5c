"""`edgecolor run`: pictures to colour pictures."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgecolor.batch import Outcome


def run(
    inputs: Annotated[list[Path], typer.Argument(metavar="PHOTO|FOLDER...", help="What to colour.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file for one photo, a folder for several. Else beside each."),
    ] = None,
    model: Annotated[str, typer.Option(help="A shipped model's name, or the path of a model file.")] = "s",
    saturation: Annotated[
        float | None, typer.Option(min=0, help="Gain on the colour; 0 is gray. Else the model's own.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU cores to use. Else all.")] = None,
    delegate: Annotated[
        str | None, typer.Option(help="edgetpu, or the path of a TFLite delegate's library. Else the CPU.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG and WebP.")] = 95,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of the results' paths.")
    ] = False,
) -> None:
    r"""Colour photographs; their size, brightness, EXIF, XMP, colour profile and resolution stay.

    A folder is searched with its sub-folders. A format that cannot hold the colours becomes PNG. Without -o,
    photo.jpg becomes photo.color.jpg beside it.

    \b
    Examples:
      edgecolor run grandfather.jpg
      edgecolor run scan.tif -o coloured.png --saturation 1.2
      edgecolor run photos/ -o coloured/
    """
    from edgecolor.batch import Options, color_all, cores, plan
    from edgecolor_runtime.errors import EdgecolorError
    from edgecolor_runtime.shipped import open_model

    jobs = plan(inputs, output)
    network = open_model(model)
    options = Options(threads or cores(), saturation, quality, force, delegate)
    begun = time.monotonic()
    with _progress(len(jobs), quiet) as advance:
        outcomes = color_all(jobs, network, options, advance)
    done = [outcome for outcome in outcomes if outcome.error is None]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if as_json:
        print(json.dumps({"model": _model(network.info, network.sha256), **_report(outcomes)}, indent=1))
    else:
        for outcome in done:
            print(outcome.job.target)
    if not quiet:
        for outcome in done:
            for note in outcome.notes:
                print(f"{outcome.job.source}: {note}", file=sys.stderr)
        if len(jobs) > 1:
            seconds = time.monotonic() - begun
            print(f"{len(done)} of {len(jobs)} coloured in {seconds:.1f} s", file=sys.stderr)
    if len(jobs) == 1 and failed and failed[0].error:
        raise failed[0].error
    if failed:
        for outcome in failed:
            print(f"edgecolor: {outcome.error}", file=sys.stderr)
        raise EdgecolorError(f"{len(failed)} of {len(jobs)} pictures failed")


def _model(info: dict[str, object], sha256: str) -> dict[str, object]:
    return {"name": info["name"], "version": info["version"], "sha256": sha256}


def _report(outcomes: list[Outcome]) -> dict[str, list[dict[str, object]]]:
    return {
        "pictures": [
            {"input": str(o.job.source), "output": str(o.job.target), "size": o.size, "notes": o.notes}
            for o in outcomes
            if o.error is None
        ],
        "failed": [
            {"input": str(o.job.source), "error": str(o.error)} for o in outcomes if o.error is not None
        ],
    }


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Callable[[Outcome], None]]:
    if quiet or total == 1 or not sys.stderr.isatty():
        yield lambda outcome: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("colouring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda outcome: bar.advance(task)
