"""What several commands choose alike."""

from __future__ import annotations

from pathlib import Path


def calibration_folder(named: Path | None) -> Path:
    """The folder of calibration pictures: the one that was named, or ./calibration if it has a manifest.

    Raises:
        UsageError: there is neither.
    """
    from edgecolor.calibration import MANIFEST
    from edgecolor_runtime.errors import UsageError

    folder = named or Path("calibration")
    if named is None and not (folder / MANIFEST).is_file():
        raise UsageError(
            "No ./calibration with a manifest here. Name a folder of pictures with --calibration."
        )
    return folder
