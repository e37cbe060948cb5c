"""What an exported file must satisfy. The file is checked, never the converter's word."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.data.calibration import read_check_set
from edgecolor.data.coverage import build_histograms, measure_coverage, shortfalls, verify_coverage
from edgecolor.evaluation.metrics import ab_difference, mean_chroma
from edgecolor.exporting.conversion import Conversion, repair
from edgecolor.exporting.float_layers import MOST
from edgecolor.tflite.graph import Graph, Tensor, read_graph
from edgecolor.tflite.runner import outputs, run_pictures
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import GateError
from edgecolor_runtime.inference.interpreter import Interpreter, load_interpreter
from edgecolor_runtime.inference.preprocess import to_real
from edgecolor_runtime.models.info import CalibrationCoverage, ExportFidelity, Precision
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SHAPE, OUTPUT_SHAPE

STEADY = 0.75  # Lab units between the files of two halves of a set; 20 good pictures: 0.55, our 142: 0.23
Say = Callable[[str], None]


@dataclass(frozen=True)
class Gate:
    """How far an exported file may be from the float network, on the check set."""

    ab_difference: float  # Lab units, mean over both channels, at most
    chroma_ratio: float  # at least, and its inverse at most


GATES = {
    Precision.INT8: Gate(1.0, 0.97),
    Precision.INT16X8: Gate(0.5, 0.98),
    Precision.DYNAMIC: Gate(1.0, 0.97),
    Precision.FLOAT16: Gate(0.1, 0.99),
    Precision.FLOAT32: Gate(0.01, 0.999),
}


_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})


def verify_graph(
    graph: Graph, precision: Precision, kernel_values: int, float_layers: Sequence[str] = ()
) -> None:
    """Refuses a file that is not what its precision promises.

    Args:
        graph: of the file.
        precision: one of `GATES`.
        kernel_values: how many weights the Keras network's kernels have.
        float_layers: names of the layers that may compute in float, of an int8 file.

    Raises:
        GateError: other inputs or outputs, weights missing; for int8 and int16x8 also a float operator or
            one that an Edge TPU does not map.
    """
    dtype = "INT8" if precision is Precision.INT8 else "FLOAT32"
    _verify_end("input", graph.inputs, INPUT_SHAPE, dtype)
    _verify_end("output", graph.outputs, OUTPUT_SHAPE, dtype)
    inside = graph.stored_weights()
    if inside < kernel_values:
        raise GateError(f"The exported file holds {inside} of {kernel_values} kernel weights.")
    if precision not in {Precision.INT8, Precision.INT16X8}:
        return
    casts = _CASTS if precision is Precision.INT16X8 or float_layers else frozenset()
    inside_ends = [op for op in graph.operators if op.name not in casts]
    floats = sorted({op.name for op in inside_ends if op.has_float and op.last_layer not in float_layers})
    if floats:
        raise GateError(f"The exported file is not {precision}: {', '.join(floats)} still compute in float.")
    unmapped = sorted(set(graph.unmapped_operators()) - casts)
    if unmapped:
        raise GateError(f"An Edge TPU does not map {', '.join(unmapped)}. Build the network without.")
    coarse = graph.per_tensor_kernels()
    if coarse:
        raise GateError(f"Weights are not quantized per channel in {', '.join(coarse)}.")


def _verify_end(side: str, tensors: tuple[Tensor, ...], shape: tuple[int, ...], dtype: str) -> None:
    found = [(t.dtype, t.shape) for t in tensors]
    if found != [(dtype, shape)]:
        told = ", ".join(f"{d} {s}" for d, s in found) or "nothing"
        raise GateError(f"The exported file's {side} is {told}; expected {dtype} {shape}.")


def measure(exported: F32, reference: F32) -> ExportFidelity:
    """Compares outputs of the exported file and of the float network, both (n, 56, 56, 2) in [-1, 1]."""
    ours, theirs = exported * np.float32(AB_SCALE), reference * np.float32(AB_SCALE)
    chroma = mean_chroma(theirs)
    ratio = mean_chroma(ours) / chroma if chroma else 1.0
    return ExportFidelity(len(reference), ab_difference(ours, theirs), ratio)


def passes(fidelity: ExportFidelity, precision: Precision) -> bool:
    """Whether a file of this precision colors like the float network."""
    gate = GATES[precision]
    close = fidelity.ab_difference <= gate.ab_difference
    return close and gate.chroma_ratio <= fidelity.chroma_ratio <= 1 / gate.chroma_ratio


def miss(fidelity: ExportFidelity, precision: Precision) -> str:
    """How far a file is from its gate, in a sentence."""
    gate = GATES[precision]
    return (
        f"The {precision} file strays from the float network: ab {fidelity.ab_difference:.2f} Lab units "
        f"apart (at most {gate.ab_difference:g}), chroma {fidelity.chroma_ratio:.3f} of its "
        f"({gate.chroma_ratio:g} to {1 / gate.chroma_ratio:.3g})."
    )


def verify_fidelity(fidelity: ExportFidelity, precision: Precision) -> None:
    """Refuses a file that colors unlike the float network.

    Raises:
        GateError: the ab difference or the chroma ratio is beyond this precision's gate.
    """
    if not passes(fidelity, precision):
        raise GateError(
            f"{miss(fidelity, precision)} Calibrate with more kinds of pictures: your own camera's beside "
            "those of calibration/."
        )


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
    fidelity: ExportFidelity
    time_ratio: float | None = None


def judge(conversion: Conversion, precision: Precision) -> Judged:
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
    say(f"{miss(judged.fidelity, Precision.INT8)} Looking for the layers that cost most")
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
        found = repair(judged.conversion, gray, Path(folder))
    if not found.float_layers:
        raise GateError(
            f"{miss(judged.fidelity, Precision.INT8)} Leaving {MOST:.0%} of its {found.layers} layers in "
            "float does not mend it. Calibrate with your own camera's pictures beside those of calibration/, "
            "or export with --dynamic or --float16."
        )
    names, ratio = found.float_layers, found.time_ratio
    say(f"left in float: {', '.join(names)}, {len(names)} of {found.layers} layers; {ratio:g} x int8's time")
    conversion = replace(judged.conversion, flatbuffer=found.flatbuffer, float_layers=names)
    return replace(judge(conversion, Precision.INT8), time_ratio=ratio)


def judge_coverage(
    gray: U8, conversion: Conversion, facts: dict[str, Any], say: Say
) -> CalibrationCoverage | None:
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
    found = measure_coverage(build_histograms(gray, conversion.reference), facts["coverage"])
    verify_coverage(found)
    if lacking := shortfalls(found):
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
