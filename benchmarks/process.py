"""The start of a bare process: time from its first import to a written photograph, and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# Runs in a fresh interpreter. Its arguments are the model, the photograph and the result. It prints the
# seconds since its first line, its peak memory in bytes, and the modules that it must not import.
_CHILD = """
import time
started = time.perf_counter()
import sys
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.images.writer import save
model, photograph, result = sys.argv[1:]
save(Colorizer.open(model).colorize(open_picture(photograph).gray), result, force=True)
seconds = time.perf_counter() - started
import json
from edgecolor_runtime.system.machine import read_peak_memory
print(json.dumps([seconds, read_peak_memory(), sorted({"tensorflow", "keras"} & set(sys.modules))]))
"""


@dataclass(frozen=True)
class ProcessStart:
    """One fresh process.

    Attributes:
        seconds_to_photo: from the first import to the written photograph.
        seconds_in_all: whole process, with the start and end of Python.
        peak_megabytes: peak resident memory, MB.
    """

    seconds_to_photo: float
    seconds_in_all: float
    peak_megabytes: float


def measure_start(model: Path, photograph: Path, result: Path) -> ProcessStart:
    """Color one photograph in a process of its own that imports only the runtime."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(model), str(photograph), str(result)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds_in_all = time.perf_counter() - started
    seconds, peak, foreign = json.loads(done.stdout)
    if foreign:
        raise RuntimeError(f"the runtime imported {', '.join(foreign)}: the figures would be wrong")
    return ProcessStart(seconds, seconds_in_all, peak / 1e6)
