"""What pruning buys: file size, compressed size, and sparsity."""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from edgecolor.exporting.pipeline import export
from edgecolor.support.timing import Spread, ratios
from edgecolor.tflite.latency import invoke_times
from edgecolor_runtime.models.model_file import read


@dataclass(frozen=True)
class Size:
    """Of an int8 flatbuffer: bytes, and bytes deflated as a download is."""

    bytes: int
    compressed: int


@dataclass(frozen=True)
class Bought:
    """What pruning bought, as int8 files."""

    before: Size
    after: Size
    time_ratio: Spread  # of one invocation, after over before, in processor time


def what_it_buys(model: Path, pruned: Path, calibration: Path) -> Bought:
    """Exports both networks to int8 and compares size and time.

    Raises:
        DataError: an unusable calibration set.
        GateError: one of them does not survive int8.
    """
    flatbuffers = {}
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
        for name, path in (("before", model), ("after", pruned)):
            exported = Path(folder) / f"{name}.tflite"
            export(path, exported, calibration=calibration)
            flatbuffers[name] = read(exported).flatbuffer
    times = invoke_times(flatbuffers)
    sizes = {name: Size(len(f), len(zlib.compress(f, 9))) for name, f in flatbuffers.items()}
    return Bought(sizes["before"], sizes["after"], ratios(times["after"], times["before"]))
