"""`edgecolor report`: which file to take?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecolor.cli.measure.report_files import WITHIN, Targets


def report(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORD", help="What evaluate -o and bench -o wrote.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML page to write.")],
    markdown: Annotated[Path | None, typer.Option(help="Also write verdict and tables here.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    within: Annotated[
        float, typer.Option(min=0, metavar="DB", help="What a choice may lose against the reference.")
    ] = WITHIN,
    reference: Annotated[
        str | None, typer.Option(metavar="FILE", help="What the others are compared with; else the truest.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
) -> None:
    r"""Choose between files: one page that says what each costs and what it loses.

    Takes records of any number of files, and benches of any number of devices. The page needs no network and
    can be printed: the choice for each device, accuracy against latency, where the time goes, every
    photograph's gain, pictures (of records made with evaluate --pictures), hashes. Evaluations of different
    photographs or protocols are refused; times of different devices or frame sizes stand apart.

    \b
    Examples:
      edgecolor evaluate a.tflite photos/ --pictures '*' -o a.json    # and so for each file
      edgecolor bench a.tflite b.tflite -o raspberry-pi-5.json        # on the device
      edgecolor report a.json b.json raspberry-pi-5.json -o report.html
      edgecolor report records/*.json -o report.html --within 0.05 --markdown report.md
    """
    targets = Targets(output, markdown, as_json, force)
    targets.refuse("report")
    from edgecolor.records.reader import read_records
    from edgecolor.report.build import report as compared

    evaluations, benches = read_records(records)
    targets.write(compared(evaluations, benches, within=within, reference=reference), quiet=quiet)
