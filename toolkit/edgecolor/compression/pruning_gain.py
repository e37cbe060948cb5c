"""What pruning gains, measured on int8 files: size, compressed size, and time."""

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
class FlatbufferSize:
    """The size of an int8 flatbuffer.

    Attributes:
        bytes: size of the file.
        compressed: size after zlib at level 9, as for a download, in bytes.
    """

    bytes: int
    compressed: int


@dataclass(frozen=True)
class PruningGain:
    """The int8 files of a network before and after pruning.

    Attributes:
        before: size before pruning.
        after: size after pruning.
        time_ratio: processor time of an inference, after over before.
    """

    before: FlatbufferSize
    after: FlatbufferSize
    time_ratio: Spread


def measure_pruning_gain(model: Path, pruned: Path, calibration: Path) -> PruningGain:
    """Export both networks to int8 and compare size and time.

    Args:
        model: the .keras file before pruning.
        pruned: the .keras file after pruning.
        calibration: folder of calibration photographs.

    Raises:
        DataError: an unusable calibration set.
        GateError: the int8 file of a network misses a gate.
    """
    flatbuffers = {}
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
        for name, path in (("before", model), ("after", pruned)):
            exported = Path(folder) / f"{name}.tflite"
            export(path, exported, calibration=calibration)
            flatbuffers[name] = read(exported).flatbuffer
    times = invoke_times(flatbuffers)
    sizes = {name: FlatbufferSize(len(f), len(zlib.compress(f, 9))) for name, f in flatbuffers.items()}
    return PruningGain(sizes["before"], sizes["after"], ratios(times["after"], times["before"]))
