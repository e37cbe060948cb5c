"""Measure how long TFLite files take to run, side by side on one thread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecolor.support.timing import Task, TimedRun, in_turns
from edgecolor_runtime.inference.interpreter import load_interpreter
from edgecolor_runtime.inference.preprocess import build_input_table
from edgecolor_runtime.models.signature import INPUT_SHAPE

REPEATS = 100


def invoke_times(flatbuffers: Mapping[str, bytes], *, repeats: int = REPEATS) -> dict[str, list[TimedRun]]:
    """Run TFLite files in turns, on a ramp from black to white.

    Args:
        flatbuffers: name -> flatbuffer.
        repeats: number of turns.

    Returns:
        Name -> the measured runs, one per turn.
    """
    side = INPUT_SHAPE[1]
    ramp = np.broadcast_to(np.arange(side, dtype=np.uint8), (side, side)).reshape(INPUT_SHAPE)

    def task(flatbuffer: bytes) -> Task:
        interpreter = load_interpreter(flatbuffer)
        x = build_input_table(interpreter.input)[ramp]
        return lambda: interpreter(x)

    return in_turns({name: task(f) for name, f in flatbuffers.items()}, repeats=repeats)
