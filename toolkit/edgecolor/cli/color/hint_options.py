"""The options of `edgecolor run` for colors given by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgecolor.batch.folder_run import ColoringSummary
    from edgecolor_runtime import HintSet

HintTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--hint",
        metavar="X,Y=COLOR",
        help="Color of one pixel: #3355aa, a name such as navy, gray, or keep. It spreads to the region "
        "around. Repeat the option for more pixels.",
    ),
]
HintFile = Annotated[
    Path | None,
    typer.Option(
        "--hints",
        metavar="FILE",
        help="File of such hints (default: photo.hints.json beside photo.jpg, if it exists).",
    ),
]
HintReach = Annotated[
    float | None,
    typer.Option(
        "--hint-reach", metavar="FACTOR", min=0.1, max=10, help="How far hints spread (default: 1)."
    ),
]


def build_hints(texts: Sequence[str], file: Path | None, reach: float | None) -> HintSet | None:
    """Return the hints of the command line; None if there are none.

    Raises:
        UsageError: a hint has another form, or a reach is given without hints.
        DataError: the file is not a file of hints.
    """
    from edgecolor_runtime import HintSet, UsageError
    from edgecolor_runtime.images.hint_file import parse_hint, read_hints

    if not texts and file is None:
        if reach is not None:
            raise UsageError("--hint-reach needs --hint or --hints")
        return None
    base = read_hints(file) if file is not None else HintSet(())
    hints = (*base.hints, *(parse_hint(text) for text in texts))
    return replace(base, hints=hints, reach=base.reach if reach is None else reach)


def refuse_hints(hints: HintSet | None, *, is_single_photograph: bool) -> None:
    """Raise UsageError if there are hints and the input is not a single photograph."""
    from edgecolor_runtime import UsageError

    if hints is not None and not is_single_photograph:
        raise UsageError(
            "--hint and --hints are for one photograph; for a folder, put photo.hints.json beside photo.jpg"
        )


def repeat_hints(summary: ColoringSummary, hints: HintSet) -> None:
    """Write the hints of a photograph beside its result, so that the result can be made again."""
    from edgecolor_runtime.images.hint_file import hint_path, write_hints

    for result in summary.colored:
        write_hints(hint_path(result.job.target), replace(hints, size=result.size), force=True)
