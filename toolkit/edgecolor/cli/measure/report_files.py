"""What `report` and `compare` write and print alike."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgecolor_runtime.system import files

if TYPE_CHECKING:
    from edgecolor.report.build import Report

WITHIN = 0.1  # dB that a choice may lose against the reference, unless told otherwise


@dataclass(frozen=True)
class Targets:
    """The files to write."""

    html: Path
    markdown: Path | None
    json: Path | None
    force: bool

    def refuse(self, what: str) -> None:
        """Refuses before the work what would fail after it.

        Args:
            what: the command.

        Raises:
            UsageError: one of them exists, or two of them are one.
            MissingError: what draws the page or reads records is not installed.
        """
        from edgecolor.support.extras import need_module
        from edgecolor_runtime.errors import UsageError
        from edgecolor_runtime.system.files import refuse_existing

        named = [path for path in (self.html, self.markdown, self.json) if path]
        if len({path.resolve() for path in named}) < len(named):
            raise UsageError("-o, --markdown and --json name one file: name different ones.")
        for path in named:
            refuse_existing(path, self.force)
        for module in ("jinja2", "jsonschema"):
            need_module(what, module, extra="report")

    def write(self, report: Report, *, quiet: bool) -> None:
        """Writes them, and prints the verdict."""
        from edgecolor.report import render

        page = render.html(report).encode()
        files.write_bytes(self.html, page, force=self.force)
        if self.markdown:
            files.write_bytes(self.markdown, render.markdown(report).encode(), force=self.force)
        if self.json:
            files.write_bytes(self.json, render.as_json(report).encode(), force=self.force)
        for device in report.devices:
            typer.echo(" ".join(device.choice.words))
        warnings = [*report.warnings, *(f"{d.title}: {line}" for d in report.devices for line in d.warnings)]
        for line in [] if quiet else warnings:
            print(f"edgecolor: note: {line}", file=sys.stderr)
        typer.echo(str(self.html))
