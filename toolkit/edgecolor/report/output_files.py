"""Write the files of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecolor.records.reader import read_records
from edgecolor.report import render
from edgecolor.report.build import build_report
from edgecolor.report.contents import Report
from edgecolor.support.extras import need_module
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.system import files
from edgecolor_runtime.system.files import refuse_existing


@dataclass(frozen=True)
class ReportFiles:
    """The files to write.

    Attributes:
        html: the page.
        markdown: verdict and tables; None: not written.
        json: the figures; None: not written.
        force: replace existing files.
    """

    html: Path
    markdown: Path | None
    json: Path | None
    force: bool

    def verify_writable(self, command: str) -> None:
        """Verify before the work that the files can be written after it.

        Args:
            command: name of the command, for messages.

        Raises:
            UsageError: a file exists, or two of the files are one.
            MissingError: a package that the page or the records need is not installed.
        """
        paths = [path for path in (self.html, self.markdown, self.json) if path]
        if len({path.resolve() for path in paths}) < len(paths):
            raise UsageError("-o, --markdown and --json name one file. Name different files.")
        for path in paths:
            refuse_existing(path, self.force)
        for module in ("jinja2", "jsonschema"):
            need_module(command, module, extra="report")

    def write(self, report: Report) -> None:
        """Write the files."""
        files.write_bytes(self.html, render.html(report).encode(), force=self.force)
        if self.markdown:
            files.write_bytes(self.markdown, render.markdown(report).encode(), force=self.force)
        if self.json:
            files.write_bytes(self.json, render.as_json(report).encode(), force=self.force)


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
