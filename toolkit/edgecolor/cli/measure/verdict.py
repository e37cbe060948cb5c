"""The verdict of a report, as `report` and `compare` print it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecolor.cli.common.messages import print_lines, print_note

if TYPE_CHECKING:
    from edgecolor.report.contents import Report


def print_verdict(report: Report, page: Path, *, quiet: bool) -> None:
    """Print the choice for each device and the path of the page; warnings go to stderr unless `quiet`."""
    for device in report.devices:
        print_lines(" ".join(device.choice.words))
    warnings = [*report.warnings, *(f"{d.title}: {line}" for d in report.devices for line in d.warnings)]
    for line in [] if quiet else warnings:
        print_note(line)
    print_lines(str(page))
