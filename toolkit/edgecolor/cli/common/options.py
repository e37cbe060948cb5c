"""The options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace existing output files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not print progress.")]
Delegate = Annotated[
    str | None,
    typer.Option(metavar="DELEGATE", help="`edgetpu`, or the path of a TFLite delegate (default: the CPU)."),
]
Calibration = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder of calibration photographs (default: ./calibration)."),
]
RunFolder = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the run. An unfinished run is resumed."),
]


def calibration_folder(folder: Path | None) -> Path:
    """Return the folder of calibration photographs: the named one, or ./calibration if it has a manifest.

    Raises:
        UsageError: no folder is named, and ./calibration has no manifest.
    """
    from edgecolor.data.calibration import MANIFEST
    from edgecolor_runtime.errors import UsageError

    if folder is not None:
        return folder
    if not (Path("calibration") / MANIFEST).is_file():
        raise UsageError(
            "No ./calibration with a manifest here. Name a folder of pictures with --calibration."
        )
    return Path("calibration")
