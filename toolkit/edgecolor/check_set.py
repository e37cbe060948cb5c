"""The check set: the photographs inside this package on which every exported file is judged.

They never calibrate. A file that is judged only on what calibrated it passes whatever that was: ranges taken
from black pictures are perfect for black pictures. Sources and licences are in `check_pictures/manifest.csv`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edgecolor.calibration import Calibration, read_calibration

CHECK_PICTURES = Path(__file__).parent / "check_pictures"


@cache
def read_check_set() -> Calibration:
    """The check set, every hash verified; 24 pictures."""
    return read_calibration(CHECK_PICTURES)
