"""`edgecolor compare`: measure files on this machine, and say which one to take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecolor.cli.common.inputs import verify_models, verify_photographs
from edgecolor.cli.common.messages import progress_printer
from edgecolor.cli.common.options import Force, FrameHeight, FrameWidth, Quiet, ThreadCounts, complete_model
from edgecolor.cli.measure.options import (
    MAX_LOSS_DECIBELS,
    FiguresJson,
    Markdown,
    ReportReference,
    Within,
)
from edgecolor.cli.measure.verdict import print_verdict


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help=".tflite or .keras files, or names of shipped models.",
            autocompletion=complete_model,
        ),
    ],
    *,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Color photographs that no model was trained on.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="HTML page to write.")
    ] = Path("report.html"),
    pictures: Annotated[
        str,
        typer.Option(
            metavar="PATTERN", help="Show up to 6 photographs whose names match PATTERN ('*' matches all)."
        ),
    ] = "*",
    threads: ThreadCounts = None,
    width: FrameWidth = 640,
    height: FrameHeight = 480,
    markdown: Markdown = None,
    as_json: FiguresJson = None,
    within: Within = MAX_LOSS_DECIBELS,
    reference: ReportReference = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    r"""Evaluate and time models on this machine, and recommend one.

    Does what evaluate, bench and report do for each file. The records are kept in a folder beside the page
    (report.records for report.html). A record of the same file, photographs and machine is used again; delete
    the folder to measure everything anew. A .keras is evaluated, but not timed.

    \b
    Examples:
      edgecolor compare s m mine.tflite --data photos/
      edgecolor compare runs/*/model.tflite model.keras --data photos/ -o runs/report.html --within 0.05
    """
    import edgecolor

    verify_models(*models)
    verify_photographs(data)
    report = edgecolor.compare(
        models,
        data,
        output,
        threads=threads or (),
        width=width,
        height=height,
        pictures=pictures,
        within=within,
        reference=reference,
        markdown=markdown,
        figures=as_json,
        force=force,
        on_progress=progress_printer(quiet),
    )
    print_verdict(report, output, quiet=quiet)
