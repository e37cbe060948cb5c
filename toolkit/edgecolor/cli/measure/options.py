"""The options that several commands which measure share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MAX_LOSS_DECIBELS = 0.1  # that a choice may lose against the reference by default

Markdown = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write verdict and tables to FILE, as Markdown.")
]
FiguresJson = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to FILE, as JSON.")
]
Within = Annotated[
    float,
    typer.Option(min=0, metavar="DB", help="Largest accepted loss of accuracy against the reference, in dB."),
]
ReportReference = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="File to compare the others with (default: the most accurate)."),
]
