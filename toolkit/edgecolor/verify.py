"""What an exported file must satisfy. The file is checked, never the converter's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.graph import Graph, Tensor
from edgecolor.metrics import ab_difference, mean_chroma
from edgecolor_runtime.color import F32, U8
from edgecolor_runtime.errors import GateError
from edgecolor_runtime.interpreter import Interpreter, load_interpreter
from edgecolor_runtime.preprocess import AB_SCALE, INPUT_SHAPE, OUTPUT_SHAPE, input_table, to_real


@dataclass(frozen=True)
class Gate:
    """How far an exported file may be from the float network, on the check set."""

    ab_difference: float  # Lab units, mean over both channels, at most
    chroma_ratio: float  # at least, and its inverse at most


GATES = {
    "int8": Gate(1.0, 0.97),
    "int16x8": Gate(0.5, 0.98),
    "dynamic": Gate(1.0, 0.97),
    "float16": Gate(0.1, 0.99),
    "float32": Gate(0.01, 0.999),
}


@dataclass(frozen=True)
class Fidelity:
    """An exported file against the float network: ab at 56 x 56, Lab units, without saturation."""

    pictures: int
    ab_difference: float  # mean over pictures, pixels and both channels
    chroma_ratio: float  # mean chroma over the float network's


_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})


def verify_graph(graph: Graph, precision: str, kernel_values: int, float_layers: Sequence[str] = ()) -> None:
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
    dtype = "INT8" if precision == "int8" else "FLOAT32"
    _verify_end("input", graph.inputs, INPUT_SHAPE, dtype)
    _verify_end("output", graph.outputs, OUTPUT_SHAPE, dtype)
    inside = graph.stored_weights()
    if inside < kernel_values:
        raise GateError(f"The exported file holds {inside} of {kernel_values} kernel weights.")
    if precision not in {"int8", "int16x8"}:
        return
    casts = _CASTS if precision == "int16x8" or float_layers else frozenset()
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


def run_pictures(interpreter: Interpreter, gray: U8) -> NDArray[Any]:
    """Gray pictures, uint8 (n, 224, 224), to the graph's raw outputs, int8 or float32 (n, 56, 56, 2)."""
    table = input_table(interpreter.input)
    return np.concatenate([interpreter(table[picture].reshape(INPUT_SHAPE)) for picture in gray])


def outputs(flatbuffer: bytes, gray: U8) -> F32:
    """What a TFLite file says to gray pictures, uint8 (n, 224, 224): float32 (n, 56, 56, 2) in [-1, 1]."""
    interpreter = load_interpreter(flatbuffer)
    return to_real(run_pictures(interpreter, gray), interpreter.output)


def measure(exported: F32, reference: F32) -> Fidelity:
    """Compares outputs of the exported file and of the float network, both (n, 56, 56, 2) in [-1, 1]."""
    ours, theirs = exported * np.float32(AB_SCALE), reference * np.float32(AB_SCALE)
    chroma = mean_chroma(theirs)
    ratio = mean_chroma(ours) / chroma if chroma else 1.0
    return Fidelity(len(reference), ab_difference(ours, theirs), ratio)


def passes(fidelity: Fidelity, precision: str) -> bool:
    """Whether a file of this precision colours like the float network."""
    gate = GATES[precision]
    close = fidelity.ab_difference <= gate.ab_difference
    return close and gate.chroma_ratio <= fidelity.chroma_ratio <= 1 / gate.chroma_ratio


def miss(fidelity: Fidelity, precision: str) -> str:
    """How far a file is from its gate, in a sentence."""
    gate = GATES[precision]
    return (
        f"The {precision} file strays from the float network: ab {fidelity.ab_difference:.2f} Lab units "
        f"apart (at most {gate.ab_difference:g}), chroma {fidelity.chroma_ratio:.3f} of its "
        f"({gate.chroma_ratio:g} to {1 / gate.chroma_ratio:.3g})."
    )


def verify_fidelity(fidelity: Fidelity, precision: str) -> None:
    """Refuses a file that colours unlike the float network.

    Raises:
        GateError: the ab difference or the chroma ratio is beyond this precision's gate.
    """
    if not passes(fidelity, precision):
        raise GateError(
            f"{miss(fidelity, precision)} Calibrate with more kinds of pictures: your own camera's beside "
            "those of calibration/."
        )
