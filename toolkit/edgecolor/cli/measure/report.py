"""`edgecolor report`: which file to take?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from edgecolor.cli.common.inputs import verify_files
from edgecolor.cli.common.options import Force
from edgecolor.cli.common.samples import sample_photographs
from edgecolor.cli.measure.options import (
    MAX_LOSS_DECIBELS,
    FiguresJson,
    Markdown,
    ReportReference,
    Within,
)
from edgecolor.cli.measure.verdict import print_verdict


def report(
    records: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RECORD", help="Records, written by `edgecolor evaluate -o` and `edgecolor bench -o`."
        ),
    ] = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="HTML page to write.")
    ] = Path("report.html"),
    markdown: Markdown = None,
    as_json: FiguresJson = None,
    within: Within = MAX_LOSS_DECIBELS,
    reference: ReportReference = None,
    force: Force = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not print warnings.")] = False,
) -> None:
    r"""Write a page of measurements that helps to choose a model.

    The page shows what each file costs and what it loses. The command takes records of any number of files,
    and benchmarks of any number of devices. The page needs no network and can be printed. It shows the
    choice for each device, accuracy against latency, the time of each stage, every photograph's gain,
    pictures (of records made with evaluate --pictures) and hashes. Evaluations of different photographs or
    protocols are refused. Times of different devices or frame sizes stand apart.

    \b
    Examples:
      edgecolor evaluate a.tflite photos/ --pictures '*' -o a.json    # likewise for each file
      edgecolor bench a.tflite b.tflite -o raspberry-pi-5.json        # on the device
      edgecolor report a.json b.json raspberry-pi-5.json -o report.html
      edgecolor report records/*.json -o report.html --within 0.05 --markdown report.md
    """
    if not records:
        from edgecolor_runtime.errors import UsageError

        raise UsageError(
            "Name the records to compare: files that `edgecolor evaluate -o` and `edgecolor bench -o` wrote. "
            "To measure the shipped models and write the page with one command: edgecolor compare s m --data "
            + shlex.quote(str(sample_photographs()))
        )
    from edgecolor.report.output_files import report_records

    verify_files(*records)
    result = report_records(
        records,
        output,
        within=within,
        reference=reference,
        markdown=markdown,
        figures=as_json,
        force=force,
    )
    print_verdict(result, output, quiet=quiet)
