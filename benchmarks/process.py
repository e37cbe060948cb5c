"""What a bare process pays: from its first import to a colored photograph on disk, and its peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# Run in a fresh interpreter: words are the model, the photograph and the result. It reports seconds from its
# first line, its peak in bytes, and what it should not have imported.
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
class Start:
    """One fresh process."""

    to_photo: float  # seconds from its first import to the photograph written
    whole: float  # seconds of the whole process, Python's own start and end included
    peak: float  # MB resident


def start(model: Path, photograph: Path, result: Path) -> Start:
    """Colors one photograph in a process of its own, with nothing but the runtime."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(model), str(photograph), str(result)],
        check=True,
        capture_output=True,
        text=True,
    )
    whole = time.perf_counter() - started
    seconds, peak, foreign = json.loads(done.stdout)
    if foreign:
        raise RuntimeError(f"the runtime imported {', '.join(foreign)}: these figures would mean nothing")
    return Start(seconds, whole, peak / 1e6)
