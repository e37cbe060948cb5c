"""What `edgecolor run` prints after coloring photographs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgecolor.cli.color.live import RunArguments
from edgecolor.cli.common.messages import print_line, print_lines

if TYPE_CHECKING:
    from edgecolor.batch.folder_run import ColoringSummary
    from edgecolor.batch.plan import PictureResult

MAX_LISTED_FILES = 10
"""Number of skipped files that a line names; --json names all."""


def print_summary(summary: ColoringSummary, shared: RunArguments, seconds: float) -> None:
    """Print the results on stdout, then the notes, what was skipped, and the counts on stderr.

    Args:
        summary: the results.
        shared: the arguments of the command.
        seconds: duration of the run.

    Raises:
        EdgecolorError: a picture failed.
    """
    done = [result for result in summary.results if result.error is None]
    if shared.as_json:
        print(json.dumps(_build_report(summary), indent=1))
    else:
        for result in done:
            print_lines(result.job.target)
    if not shared.quiet:
        for result in done:
            for note in result.notes:
                print_line(f"{result.job.source}: {note}")
        for line in _describe_skipped(summary):
            print_line(line)
        if len(summary.results) != 1 or summary.skipped:
            print_line(_describe_counts(summary, shared, seconds))
    _raise_failures(summary)


def _describe_skipped(summary: ColoringSummary) -> Iterator[str]:
    """Yield a line for each reason for which files were not colored."""
    from edgecolor.batch.plan import ALREADY_COLORED, MARK

    groups: dict[str, list[Path]] = {}
    for other in summary.skipped:
        # These two are in the last line.
        if other.reason != ALREADY_COLORED and not other.path.stem.endswith(MARK):
            groups.setdefault(other.reason, []).append(other.path)
    for reason, paths in groups.items():
        listed = ", ".join(map(str, paths[:MAX_LISTED_FILES]))
        more = len(paths) - MAX_LISTED_FILES
        rest = f" and {more} more; --json lists all" if more > 0 else ""
        yield f"{len(paths)} not colored ({reason}): {listed}{rest}"


def _describe_counts(summary: ColoringSummary, shared: RunArguments, seconds: float) -> str:
    """Return the last line of a run: how many pictures were colored."""
    from edgecolor_runtime.models.shipped import PHOTO_MODEL, describe_name

    total, beside = len(summary.results), summary.colored_beside
    if summary.resumed == total:
        if already := total + beside:
            return f"{already} of {already} are already colored. --force colors them again."
        return "nothing to color: the pictures are results of an earlier run"
    kept = f", {len(summary.kept)} in color and kept as they are," if summary.kept else ""
    earlier = f", {summary.resumed} of them earlier" if summary.resumed else ""
    earlier += f", {beside} already colored" if beside else ""
    model = describe_name(shared.model or PHOTO_MODEL)
    return f"{len(summary.colored)} of {total} colored{kept} in {seconds:.1f} s{earlier}, with model {model}"


def _raise_failures(summary: ColoringSummary) -> None:
    """Raise the error of a single picture; of several pictures, print all errors and raise their number."""
    from edgecolor_runtime.errors import EdgecolorError, UsageError

    errors = [result.error for result in summary.results if result.error is not None]
    if errors and len(summary.results) == 1:
        raise errors[0]
    for error in errors:
        print_line(f"edgecolor: {error}")
    if errors:
        only_existing = all(isinstance(error, UsageError) for error in errors)
        kind = UsageError if only_existing else EdgecolorError
        raise kind(f"{len(errors)} of {len(summary.results)} pictures failed")


def _build_report(summary: ColoringSummary) -> dict[str, object]:
    """Return what --json prints."""
    info = summary.model.info
    return {
        "model": {"name": info.name, "version": info.version, "sha256": summary.model.sha256},
        "pictures": [_describe_result(result) for result in summary.colored],
        "kept": [_describe_result(result) for result in summary.kept],
        "failed": [
            {"input": str(result.job.source), "error": str(result.error)} for result in summary.failed
        ],
        "skipped": [{"input": str(other.path), "reason": other.reason} for other in summary.skipped],
    }


def _describe_result(result: PictureResult) -> dict[str, object]:
    return {
        "input": str(result.job.source),
        "output": str(result.job.target),
        "size": result.size,
        "notes": result.notes,
    }
