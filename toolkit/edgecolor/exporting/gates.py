"""What an exported file must satisfy: its graph, its weights, and its colors on the check set.

The file itself is examined. What the converter reports is not relied on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.data.calibration import read_check_set
from edgecolor.data.coverage import build_histograms, measure_coverage, shortfalls, verify_coverage
from edgecolor.evaluation.metrics import ab_difference, mean_chroma
from edgecolor.exporting.stages import CALIBRATED, Assessed, Corrected
from edgecolor.support.progress import PrintLine
from edgecolor.tflite.graph import Graph, Tensor
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import GateError
from edgecolor_runtime.inference.preprocess import to_real
from edgecolor_runtime.models.info import CalibrationCoverage, ExportFidelity, Precision
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SHAPE, OUTPUT_SHAPE

MAX_HALVES_AB_DIFFERENCE = 0.75
"""Lab units between the files of two halves of a calibration set, above which a note is printed.

Measured: 0.55 with 20 good pictures, 0.23 with the 142 of calibration/.
"""


@dataclass(frozen=True)
class FidelityGate:
    """The limits on `ExportFidelity`.

    Attributes:
        ab_difference: the largest mean difference, in Lab units.
        chroma_ratio: the smallest ratio; its inverse is the largest.
    """

    ab_difference: float
    chroma_ratio: float


GATES = {
    Precision.INT8: FidelityGate(1.0, 0.97),
    Precision.INT16X8: FidelityGate(0.5, 0.98),
    Precision.DYNAMIC: FidelityGate(1.0, 0.97),
    Precision.FLOAT16: FidelityGate(0.1, 0.99),
    Precision.FLOAT32: FidelityGate(0.01, 0.999),
}

_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})


def assess(corrected: Corrected, gray: U8, training_histograms: Any, on_progress: PrintLine) -> Assessed:
    """Verify a file's graph and measure its fidelity; the caller decides about the fidelity.

    Args:
        corrected: the file.
        gray: uint8 (n, 224, 224), the calibration pictures.
        training_histograms: of the data that the network was trained on; None if they are not known.
        on_progress: takes a line of progress or a note.

    Raises:
        GateError: the file is not what its precision promises, or the calibration set reaches hardly anything
            of the training data.
        ModelFileError: the histograms have another form.
    """
    coverage = None
    if corrected.precision in CALIBRATED:
        coverage = assess_coverage(gray, corrected.source.reference, training_histograms, on_progress)
    halves_ab_difference = measure_halves(corrected.halves, on_progress)
    raw_outputs, fidelity = run_check_set(corrected)
    return Assessed(
        model=corrected.model,
        source=corrected.source,
        precision=corrected.precision,
        float_layers=corrected.float_layers,
        halves=corrected.halves,
        raw_outputs=raw_outputs,
        fidelity=fidelity,
        coverage=coverage,
        halves_ab_difference=halves_ab_difference,
    )


def run_check_set(corrected: Corrected) -> tuple[NDArray[Any], ExportFidelity]:
    """Verify the graph of a file and run the file on the check set.

    Returns:
        The raw outputs, int8 or float32 (24, 56, 56, 2), and how close they are to the float network's.

    Raises:
        GateError: the file is not what its precision promises.
    """
    model, source = corrected.model, corrected.source
    verify_graph(
        model.graph,
        corrected.precision,
        kernel_values=source.kernel_values,
        float_layers=corrected.float_layers,
    )
    raw_outputs = model.raw_outputs(read_check_set().gray)
    outputs = to_real(raw_outputs, model.interpreter.output)
    return raw_outputs, measure_fidelity(outputs, source.check_reference)


def verify_graph(
    graph: Graph, precision: Precision, *, kernel_values: int, float_layers: Sequence[str] = ()
) -> None:
    """Verify that a file is what its precision promises.

    Args:
        graph: of the file.
        precision: one of `GATES`.
        kernel_values: how many weights the kernels of the Keras network have.
        float_layers: names of the layers that may compute in float in an int8 file.

    Raises:
        GateError: other inputs or outputs, or weights are missing; for int8 and int16x8 also a float operator
            or an operator that an Edge TPU does not map.
    """
    dtype = "INT8" if precision is Precision.INT8 else "FLOAT32"
    _verify_endpoint("input", graph.inputs, (dtype, INPUT_SHAPE))
    _verify_endpoint("output", graph.outputs, (dtype, OUTPUT_SHAPE))
    stored = graph.stored_weights()
    if stored < kernel_values:
        raise GateError(f"The exported file holds {stored} of {kernel_values} kernel weights.")
    if precision not in {Precision.INT8, Precision.INT16X8}:
        return
    casts = _CASTS if precision is Precision.INT16X8 or float_layers else frozenset()
    operators = [op for op in graph.operators if op.name not in casts]
    floats = sorted({op.name for op in operators if op.has_float and op.last_layer not in float_layers})
    if floats:
        raise GateError(f"The exported file is not {precision}: {', '.join(floats)} still compute in float.")
    unmapped = sorted(set(graph.unmapped_operators()) - casts)
    if unmapped:
        raise GateError(f"An Edge TPU does not map {', '.join(unmapped)}. Build the network without.")
    per_tensor = graph.per_tensor_kernels()
    if per_tensor:
        raise GateError(f"Weights are not quantized per channel in {', '.join(per_tensor)}.")


def _verify_endpoint(side: str, tensors: tuple[Tensor, ...], expected: tuple[str, tuple[int, ...]]) -> None:
    actual = [(tensor.dtype, tensor.shape) for tensor in tensors]
    if actual != [expected]:
        text = ", ".join(f"{dtype} {shape}" for dtype, shape in actual) or "nothing"
        raise GateError(f"The exported file's {side} is {text}; expected {expected[0]} {expected[1]}.")


def measure_fidelity(outputs: F32, reference: F32) -> ExportFidelity:
    """Compare outputs of the exported file and of the float network, both (n, 56, 56, 2) in [-1, 1]."""
    ab, reference_ab = outputs * np.float32(AB_SCALE), reference * np.float32(AB_SCALE)
    chroma = mean_chroma(reference_ab)
    ratio = mean_chroma(ab) / chroma if chroma else 1.0
    return ExportFidelity(len(reference), ab_difference(ab, reference_ab), ratio)


def passes(fidelity: ExportFidelity, precision: Precision) -> bool:
    """Return whether a file of this precision colors like the float network."""
    gate = GATES[precision]
    close = fidelity.ab_difference <= gate.ab_difference
    return close and gate.chroma_ratio <= fidelity.chroma_ratio <= 1 / gate.chroma_ratio


def describe_miss(fidelity: ExportFidelity, precision: Precision) -> str:
    """Return a sentence that says how far a file is from its gate."""
    gate = GATES[precision]
    return (
        f"The {precision} file differs from the float network: ab by {fidelity.ab_difference:.2f} Lab units "
        f"(limit: {gate.ab_difference:g}), chroma ratio {fidelity.chroma_ratio:.3f} "
        f"(limits: {gate.chroma_ratio:g} to {1 / gate.chroma_ratio:.3g})."
    )


def verify_fidelity(fidelity: ExportFidelity, precision: Precision) -> None:
    """Verify that a file colors like the float network.

    Raises:
        GateError: the ab difference or the chroma ratio is beyond the gate of this precision.
    """
    if not passes(fidelity, precision):
        raise GateError(
            f"{describe_miss(fidelity, precision)} Calibrate with more kinds of pictures: add pictures of "
            "your own camera to those of calibration/."
        )


def assess_coverage(
    gray: U8, reference: F32, training_histograms: Any, on_progress: PrintLine
) -> CalibrationCoverage | None:
    """Return how much of the training data a calibration set reaches; None without histograms of that data.

    Args:
        gray: uint8 (n, 224, 224), the calibration pictures.
        reference: the outputs of the float network for these pictures.
        training_histograms: from the sidecar of the model; None if it has none.
        on_progress: takes a note if the coverage is unknown or low.

    Raises:
        GateError: the set reaches hardly anything.
        ModelFileError: the histograms have another form.
    """
    if training_histograms is None:
        on_progress(
            "coverage of the calibration set unknown: no histograms of the training data beside the model"
        )
        return None
    coverage = measure_coverage(build_histograms(gray, reference), training_histograms)
    verify_coverage(coverage)
    if lacking := shortfalls(coverage):
        on_progress(f"note: the calibration set reaches only a part of the training data: {lacking}")
    return coverage


def measure_halves(halves: Sequence[TfliteModel], on_progress: PrintLine) -> float | None:
    """Return the mean difference in Lab units between the outputs of the two halves; None without halves."""
    if not halves:
        return None
    even, odd = (half.outputs(read_check_set().gray) * np.float32(AB_SCALE) for half in halves)
    difference = ab_difference(even, odd)
    if difference > MAX_HALVES_AB_DIFFERENCE:
        on_progress(
            f"note: the two halves of the calibration set give files that differ by {difference:.2f} Lab "
            "units; add pictures"
        )
    return difference
