"""Repair an int8 file that misses its fidelity gate: leave the few layers that cost most in float."""

from __future__ import annotations

from dataclasses import replace

from edgecolor.exporting.conversion import find_repair
from edgecolor.exporting.float_layers import MAX_FLOAT_LAYER_SHARE
from edgecolor.exporting.gates import describe_miss, run_check_set
from edgecolor.exporting.stages import Assessed
from edgecolor.support.progress import PrintLine
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import GateError
from edgecolor_runtime.models.info import Precision


def repair_int8(assessed: Assessed, gray: U8, on_progress: PrintLine) -> Assessed:
    """Export the network again with as few layers in float as the int8 gate needs.

    Args:
        assessed: an int8 file that misses the gate.
        gray: uint8 (n, 224, 224), the calibration pictures.
        on_progress: takes a line of progress.

    Raises:
        GateError: no allowed number of float layers suffices.
    """
    miss = describe_miss(assessed.fidelity, Precision.INT8)
    on_progress(f"{miss} Looking for the layers that cost most")
    repair = find_repair(assessed.source, gray)
    if not repair.float_layers:
        raise GateError(
            f"{miss} Leaving {MAX_FLOAT_LAYER_SHARE:.0%} of its {repair.layers} layers in float does not fix "
            "this. Calibrate with pictures of your own camera beside those of calibration/, or export with "
            "--dynamic or --float16."
        )
    names, ratio = repair.float_layers, repair.time_ratio
    on_progress(
        f"left in float: {', '.join(names)}, {len(names)} of {repair.layers} layers; {ratio:g} x int8's time"
    )
    repaired = replace(assessed, model=repair.model, float_layers=names, time_ratio=ratio)
    raw_outputs, fidelity = run_check_set(repaired)
    return replace(repaired, raw_outputs=raw_outputs, fidelity=fidelity)
