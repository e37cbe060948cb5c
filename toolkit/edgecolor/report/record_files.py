"""Report on record files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecolor.records.reader import read_records
from edgecolor.report.build import Report, build_report
from edgecolor.report.output_files import ReportFiles


def report_records(
    records: Sequence[Path],
    output: Path,
    *,
    within: float = 0.1,
    reference: str | None = None,
    markdown: Path | None = None,
    figures: Path | None = None,
    force: bool = False,
) -> Report:
    """Write a page that says which of the evaluated and timed files to take.

    Args:
        records: files that `edgecolor evaluate -o` and `edgecolor bench -o` wrote.
        output: the HTML page to write.
        within: dB that the choice may lose against the reference.
        reference: name of the file to compare the others with (default: the most accurate).
        markdown: also write verdict and tables to this file.
        figures: also write the figures to this file, as JSON.
        force: replace existing files.

    Raises:
        MissingError: a package that the report needs is not installed.
        UsageError: an output file exists; see also `build_report`.
        DataError: see `read_records` and `build_report`.
    """
    targets = ReportFiles(output, markdown, figures, force)
    targets.verify_writable("report")
    evaluations, benches = read_records(records)
    report = build_report(evaluations, benches, within=within, reference=reference)
    targets.write(report)
    return report
