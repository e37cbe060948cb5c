"""Measure what a folder of photographs costs because its results survive a power cut.

    python benchmarks/durability.py calibration/ --turns 10

Each turn colors the folder twice, once as `edgecolor run` does it and once without any flush to the disk. The
ratio of the two times is printed as median, p10 and p90. The results go to a folder in the current folder,
because the temporary folder of the system may be in memory. On a busy machine the elapsed times vary much;
use many turns.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from edgecolor.batch.folder_run import color_folder
from edgecolor.support.timing import TimedRun, ratios, spread


def color_once(photographs: Path, output: Path, *, flushed: bool) -> TimedRun:
    """Color a folder; return the elapsed time and the processor time."""
    begun, processor = time.perf_counter(), time.process_time()
    if flushed:
        color_folder(photographs, output, recolor=True)
    else:
        with patch.object(os, "fsync", lambda descriptor: None):
            color_folder(photographs, output, recolor=True)
    run = TimedRun(time.perf_counter() - begun, time.process_time() - processor)
    shutil.rmtree(output)
    return run


def main() -> int:
    """Print the times and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photographs", type=Path, help="folder of photographs")
    parser.add_argument("--turns", type=int, default=10, help="number of turns (default: 10)")
    options = parser.parse_args()
    runs: dict[bool, list[TimedRun]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(prefix="durability-", dir=Path.cwd()) as work:
        for turn in range(options.turns + 1):
            for flushed in (True, False) if turn % 2 else (False, True):
                run = color_once(options.photographs, Path(work) / "out", flushed=flushed)
                if turn:  # the first turn warms up
                    runs[flushed].append(run)
    rows = {
        "seconds, flushed to the disk": spread([run.wall for run in runs[True]]),
        "seconds, not flushed": spread([run.wall for run in runs[False]]),
        "ratio": spread([a.wall / b.wall for a, b in zip(runs[True], runs[False], strict=True)]),
        "ratio of processor time": ratios(runs[True], runs[False]),
    }
    print(f"{'':30}{'median':>8}{'p10':>8}{'p90':>8}")
    for name, figures in rows.items():
        print(f"{name:30}{figures.median:8.3f}{figures.p10:8.3f}{figures.p90:8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
