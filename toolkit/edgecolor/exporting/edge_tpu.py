"""Compile an int8 model for a Coral Edge TPU with Google's `edgetpu_compiler`.

The compiler (x86-64 Linux only) replaces all operators that it maps by one custom operator, and drops the
bytes behind the flatbuffer. Its options: https://coral.ai/docs/edgetpu/compiler/. Its log is read in the
form of version 16.0: https://github.com/google-coral/edgetpu/issues/671 and 490.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from edgecolor.exporting.stages import Packed
from edgecolor.support.child_process import run_program
from edgecolor.tflite.graph import Graph, read_graph
from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError
from edgecolor_runtime.inference.interpreter import EDGE_TPU_OPERATOR
from edgecolor_runtime.models.info import EdgeTpuCompilation
from edgecolor_runtime.models.model_file import pack

COMPILER = "edgetpu_compiler"
ON_CHIP_BYTES = 8 << 20  # "roughly 8 MB of SRAM" (https://coral.ai/docs/edgetpu/compiler/)
EXECUTABLE_BYTES = 1 << 20  # of these for the program: 8 MiB minus what the logs call used and remaining
COMPILER_TIME_LIMIT = 600  # seconds; the compiler itself gives up after 180

_ROW = re.compile(r"^(\S+)[ \t]+(\d+)[ \t]+(\S.*?)\s*$", re.MULTILINE)
_MAPPED = "Mapped to Edge TPU"
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def find_compiler() -> str:
    """Return the path of the compiler.

    Raises:
        MissingError: the compiler is not installed.
    """
    path = shutil.which(COMPILER)
    if path is None:
        raise MissingError(
            f"{COMPILER} is not on the PATH. On x86-64 Debian or Ubuntu: add "
            "`deb https://packages.cloud.google.com/apt coral-edgetpu-stable main` to apt's sources "
            "(its key: https://packages.cloud.google.com/apt/doc/apt-key.gpg), then "
            "`sudo apt-get install edgetpu-compiler`. On another machine, export with --int8, then run on an "
            "x86-64 machine: edgecolor export MODEL.tflite --edgetpu -o OUT.tflite"
        )
    return path


def compile_packed(packed: Packed, compiler: str, *, min_mapped: float) -> Packed:
    """Compile a packed int8 model for an Edge TPU; its description and golden vectors stay.

    Args:
        packed: an int8 model.
        compiler: from `find_compiler`.
        min_mapped: smallest share of its operators that must be mapped, in [0, 1].

    Raises:
        GateError: not an int8 model of fixed shapes, too large, or too few operators are mapped.
        EdgecolorError: the compiler failed.
    """
    graph = packed.model.graph
    verify_compilable(graph)
    flatbuffer, log = _run_compiler(packed.model.flatbuffer, compiler)
    compilation = read_log(log)
    if compilation.mapped < min_mapped * compilation.operators:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in compilation.unmapped.items())
        raise GateError(
            f"The Edge TPU maps {compilation.mapped} of {compilation.operators} operators, "
            f"and --min-mapped is {min_mapped:g} ({reasons})."
        )
    compiled = read_graph(flatbuffer)
    if _endpoints(compiled) != _endpoints(graph):
        raise GateError(f"{COMPILER} changed the model's inputs or outputs: {_endpoints(compiled)}.")
    if compilation.mapped and f"CUSTOM:{EDGE_TPU_OPERATOR}" not in {op.name for op in compiled.operators}:
        raise GateError(f"{COMPILER} wrote a file without the operator {EDGE_TPU_OPERATOR}.")
    info = replace(packed.info, edgetpu=compilation)
    return replace(packed, info=info, data=pack(flatbuffer, info, packed.golden))


def verify_compilable(graph: Graph) -> None:
    """Verify that an Edge TPU can run a graph well, before the compiler runs.

    Raises:
        GateError: a shape that is not fixed, inputs or outputs that are not int8, an operator that an Edge
            TPU does not map, or more weights than the chip keeps: the rest would be sent again for every
            picture.
    """
    tensors = {t for op in graph.operators for t in op.inputs + op.outputs}
    if dynamic := sorted(t.name for t in tensors if any(size < 1 for size in t.shape)):
        raise GateError(f"An Edge TPU needs fixed shapes; the shape of {dynamic[0]} is not fixed.")
    if other := [t.dtype for t in graph.inputs + graph.outputs if t.dtype != "INT8"]:
        raise GateError(
            f"An Edge TPU needs int8 inputs and outputs; this file has {other[0]}. Export with --int8."
        )
    if floats := graph.float_operators():
        raise GateError(
            f"An Edge TPU cannot compute in float: {', '.join(floats)}. Export with --int8 --no-repair."
        )
    if unmapped := graph.unmapped_operators():
        raise GateError(f"An Edge TPU does not map {', '.join(unmapped)}.")
    needed = EXECUTABLE_BYTES + weight_bytes(graph)
    if needed > ON_CHIP_BYTES:
        raise GateError(
            f"The model needs about {needed / 2**20:.1f} MiB of the Edge TPU's "
            f"{ON_CHIP_BYTES / 2**20:g} MiB; the rest would be sent again for every picture. "
            "Use a narrower network."
        )


def weight_bytes(graph: Graph) -> int:
    """Return the bytes of all stored tensors, which the compiler caches on the chip: kernels and biases."""
    stored = {t.name: t for op in graph.operators for t in op.inputs if t.stored}
    return sum(t.elements * {"INT8": 1, "INT16": 2, "INT64": 8}.get(t.dtype, 4) for t in stored.values())


def _endpoints(graph: Graph) -> list[tuple[str, tuple[int, ...]]]:
    return [(tensor.dtype, tensor.shape) for tensor in graph.inputs + graph.outputs]


def _run_compiler(flatbuffer: bytes, compiler: str) -> tuple[bytes, str]:
    """Return the compiled flatbuffer and the log of the compiler."""
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(flatbuffer)
        result = run_program(
            [compiler, "-s", "-o", name, folder / "model.tflite"], time_limit=COMPILER_TIME_LIMIT
        )
        compiled = folder / "model_edgetpu.tflite"
        if result.code or not compiled.is_file():
            lines = [line.strip() for line in (result.stdout + result.stderr).splitlines() if line.strip()]
            reason = " ".join(lines)[:400] or f"exit code {result.code} and no message"
            raise EdgecolorError(f"{COMPILER} wrote no model: {reason}")
        return compiled.read_bytes(), result.stdout


def read_log(log: str) -> EdgeTpuCompilation:
    """Read what the compiler prints with `-s`: sizes, then a table of operator, count and status.

    Raises:
        EdgecolorError: the log has no such table.
    """
    table = log.partition("Operator ")[2]
    rows = [(name, int(count), status) for name, count, status in _ROW.findall(table)]
    if not rows:
        raise EdgecolorError(
            f"{COMPILER} printed no table of operators. This edgecolor reads the log of version 16."
        )
    unmapped: dict[str, str] = {}
    for name, _, status in rows:
        if status != _MAPPED:
            unmapped[name] = f"{unmapped[name]}, {status}" if name in unmapped else status
    version = re.search(r"Compiler version (\S+)", log)
    return EdgeTpuCompilation(
        compiler=version.group(1) if version else "unknown",
        operators=sum(count for _, count, _ in rows),
        mapped=sum(count for _, count, status in rows if status == _MAPPED),
        unmapped=unmapped,
        on_chip=_size(log, "On-chip memory used for caching model parameters"),
        off_chip=_size(log, "Off-chip memory used for streaming uncached model parameters"),
    )


def _size(log: str, label: str) -> int:
    match = re.search(rf"{re.escape(label)}: ([\d.]+)({'|'.join(_UNITS)})\b", log)
    return round(float(match.group(1)) * _UNITS[match.group(2)]) if match else 0
