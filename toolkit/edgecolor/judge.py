"""Judges a conversion and its calibration set, and repairs an int8 file that misses its gate."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.check_set import read_check_set
from edgecolor.convert import Conversion, repair
from edgecolor.coverage import Coverage, compare, histograms, verify_coverage
from edgecolor.graph import Graph, read_graph
from edgecolor.metrics import ab_difference
from edgecolor.repair import MOST
from edgecolor.verify import Fidelity, measure, miss, outputs, run_pictures, verify_graph
from edgecolor_runtime.color import U8
from edgecolor_runtime.errors import GateError
from edgecolor_runtime.interpreter import Interpreter, load_interpreter
from edgecolor_runtime.preprocess import AB_SCALE, to_real

STEADY = 0.75  # Lab units between the files of two halves of a set; 20 good pictures: 0.55, our 142: 0.23

Say = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """A conversion, run on the check set.

    Attributes:
        conversion: what was run.
        graph: of its file.
        interpreter: that ran it.
        raw: int8 or float32 (24, 56, 56, 2), its outputs.
        fidelity: how far they are from the float network's.
        time_ratio: of a repaired file: median time of a run over plain int8's.
    """

    conversion: Conversion
    graph: Graph
    interpreter: Interpreter
    raw: NDArray[Any]
    fidelity: Fidelity
    time_ratio: float | None = None


def judge(conversion: Conversion, precision: str) -> Judged:
    """Checks what is in the file and runs it on the check set; whether it passes is left to the caller.

    Raises:
        GateError: the file is not what its precision promises.
    """
    graph = read_graph(conversion.flatbuffer)
    verify_graph(graph, precision, conversion.kernel_values, conversion.float_layers)
    interpreter = load_interpreter(conversion.flatbuffer)
    raw = run_pictures(interpreter, read_check_set().gray)
    fidelity = measure(to_real(raw, interpreter.output), conversion.check_reference)
    return Judged(conversion, graph, interpreter, raw, fidelity)


def mend(judged: Judged, gray: U8, say: Say) -> Judged:
    """The same network with as few layers in float as the int8 gate needs.

    Args:
        judged: an int8 file that misses it.
        gray: uint8 (n, 224, 224), the calibration pictures.
        say: takes a line of progress.

    Raises:
        GateError: no number of layers that would still be called int8 suffices.
    """
    say(f"{miss(judged.fidelity, 'int8')} Looking for the layers that cost most")
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
        found = repair(judged.conversion, gray, Path(folder))
    if not found.float_layers:
        raise GateError(
            f"{miss(judged.fidelity, 'int8')} Leaving {MOST:.0%} of its {found.layers} layers in float does "
            "not mend it. Calibrate with your own camera's pictures beside those of calibration/, or export "
            "with --dynamic or --float16."
        )
    names, ratio = found.float_layers, found.time_ratio
    say(f"left in float: {', '.join(names)}, {len(names)} of {found.layers} layers; {ratio:g} x int8's time")
    conversion = replace(judged.conversion, flatbuffer=found.flatbuffer, float_layers=names)
    return replace(judge(conversion, "int8"), time_ratio=ratio)


def judge_coverage(gray: U8, conversion: Conversion, facts: dict[str, Any], say: Say) -> Coverage | None:
    """How much of the training data a calibration set reaches; None where the facts do not know that data.

    Args:
        gray: uint8 (n, 224, 224), the calibration pictures.
        conversion: with the float network's answers to them.
        facts: beside the model.
        say: takes a line where it is unknown, or less than it should be.

    Raises:
        GateError: it reaches hardly anything.
        ModelFileError: the facts' histograms have another form.
    """
    if "coverage" not in facts:
        say("coverage of the calibration set unknown: no histograms of the training data beside the model")
        return None
    found = compare(histograms(gray, conversion.reference), facts["coverage"])
    verify_coverage(found)
    if lacking := found.lacking():
        say(f"note: the calibration set reaches only a part of the training data: {lacking}")
    return found


def judge_halves(conversion: Conversion, say: Say) -> float | None:
    """Lab units between what the files of the calibration set's halves, if any, say to the check set."""
    if not conversion.halves:
        return None
    one, other = (outputs(half, read_check_set().gray) for half in conversion.halves)
    apart = ab_difference(one * np.float32(AB_SCALE), other * np.float32(AB_SCALE))
    if apart > STEADY:
        say(f"note: two halves of the calibration set give files {apart:.2f} Lab units apart; add pictures")
    return apart
