"""`edgecolor compare`: measure files here, and say which to take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgecolor.cli.measure.report_files import WITHIN, Targets


def compare(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL", help=".tflite or .keras files, or shipped models' names."),
    ],
    *,
    data: Annotated[Path, typer.Option(help="A folder of color photographs that they have not seen.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML page to write.")] = Path(
        "report.html"
    ),
    pictures: Annotated[
        str, typer.Option(metavar="PATTERN", help="Show up to 6 of the photographs that are called so.")
    ] = "*",
    threads: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            help="CPU threads; may be given several times. Else 1 to 4, as far as cores go.",
        ),
    ] = None,
    width: Annotated[int, typer.Option(min=16, max=8192, help="Of the frame, pixels.")] = 640,
    height: Annotated[int, typer.Option(min=16, max=8192, help="Of the frame, pixels.")] = 480,
    markdown: Annotated[Path | None, typer.Option(help="Also write verdict and tables here.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    within: Annotated[
        float, typer.Option(min=0, metavar="DB", help="What a choice may lose against the reference.")
    ] = WITHIN,
    reference: Annotated[
        str | None, typer.Option(metavar="FILE", help="What the others are compared with; else the truest.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Evaluate and time files on this machine, and report which one to take.

    The same as evaluate and bench of each file, and report. The records are kept in a folder beside the page
    (report.records for report.html): what is there already, about the same file, photographs and machine, is
    not measured again; delete the folder to measure all of it anew. A .keras is evaluated, and not timed.

    \b
    Examples:
      edgecolor compare s m mine.tflite --data photos/
      edgecolor compare runs/*/model.tflite model.keras --data photos/ -o runs/report.html --within 0.05
    """
    targets = Targets(output, markdown, as_json, force)
    targets.refuse("compare")
    from edgecolor.benchmarking.measure import Options, default_threads
    from edgecolor.report.compare import compare as measured

    options = Options(tuple(dict.fromkeys(threads or default_threads(None))), None, width, height, 0)
    result = measured(
        models,
        data,
        output.with_suffix(".records"),
        options,
        pictures=pictures,
        within=within,
        reference=reference,
        say=lambda line: None if quiet else print(line, file=sys.stderr, flush=True),
    )
    targets.write(result, quiet=quiet)
