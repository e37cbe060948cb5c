"""An int8 model for a Coral Edge TPU: checked, given to Google's compiler, its log read, packed again.

The compiler (`edgetpu_compiler`, x86-64 Linux only) replaces all operators that it maps by one custom
operator and drops what is behind the flatbuffer. Its options are those of
https://coral.ai/docs/edgetpu/compiler/; its log is read as version 16.0 prints it, as in
https://github.com/google-coral/edgetpu/issues/671 and 490.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from edgecolor.tflite.graph import Graph, Tensor, read_graph
from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError
from edgecolor_runtime.inference.interpreter import EDGE_TPU_OPERATOR
from edgecolor_runtime.models.info import EdgeTpuCompilation
from edgecolor_runtime.models.model_file import ModelFile, pack

COMPILER = "edgetpu_compiler"
ON_CHIP = 8 << 20  # bytes; "roughly 8 MB of SRAM" (https://coral.ai/docs/edgetpu/compiler/)
EXECUTABLE = 1 << 20  # bytes of them for the program: 8 MiB less what the logs call used and remaining
TIME_LIMIT = 600  # seconds; the compiler gives up by itself after 180

_ROW = re.compile(r"^(\S+)[ \t]+(\d+)[ \t]+(\S.*?)\s*$", re.MULTILINE)
_MAPPED = "Mapped to Edge TPU"
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def find_compiler() -> str:
    """The compiler's path.

    Raises:
        MissingError: it is not installed.
    """
    path = shutil.which(COMPILER)
    if path is None:
        raise MissingError(
            f"{COMPILER} is not on the PATH. On x86-64 Debian or Ubuntu: add "
            "`deb https://packages.cloud.google.com/apt coral-edgetpu-stable main` to apt's sources "
            "(its key: https://packages.cloud.google.com/apt/doc/apt-key.gpg), then "
            "`sudo apt-get install edgetpu-compiler`. Elsewhere, export with --int8, and on such a machine: "
            "edgecolor export THAT.tflite --edgetpu -o OUT.tflite"
        )
    return path


def compile_model(model: ModelFile, compiler: str, *, min_mapped: float) -> tuple[bytes, EdgeTpuCompilation]:
    """Compiles an int8 model for an Edge TPU.

    Args:
        model: an int8 model.
        compiler: from `find_compiler`.
        min_mapped: share of its operators that must be mapped, in [0, 1].

    Returns:
        The bytes of the new model file, with the same golden vectors, and what the compiler said.

    Raises:
        GateError: it is no int8 model of static shapes, too large, or too few operators are mapped.
        EdgecolorError: the compiler failed.
    """
    before = read_graph(model.flatbuffer)
    verify_before(before)
    flatbuffer, log = _run(model.flatbuffer, compiler)
    compilation = read_log(log)
    if compilation.mapped < min_mapped * compilation.operators:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in compilation.unmapped.items())
        raise GateError(
            f"The Edge TPU maps {compilation.mapped} of {compilation.operators} operators, "
            f"and --min-mapped is {min_mapped:g} ({reasons})."
        )
    after = read_graph(flatbuffer)
    if _ends(after) != _ends(before):
        raise GateError(f"{COMPILER} changed the model's inputs or outputs: {_ends(after)}.")
    if compilation.mapped and f"CUSTOM:{EDGE_TPU_OPERATOR}" not in {op.name for op in after.operators}:
        raise GateError(f"{COMPILER} wrote a file without the operator {EDGE_TPU_OPERATOR}.")
    info = replace(model.info, edgetpu=compilation)
    return pack(flatbuffer, info, model.golden), compilation


def verify_before(graph: Graph) -> None:
    """Refuses what an Edge TPU would not run well, before the compiler is asked.

    Raises:
        GateError: a shape that is not fixed, ends that are not int8, an operator off the list, or more
            weights than the chip keeps, so that they would be sent for every picture.
    """
    tensors = {t for op in graph.operators for t in op.inputs + op.outputs}
    if open_ended := sorted(t.name for t in tensors if any(size < 1 for size in t.shape)):
        raise GateError(f"An Edge TPU needs fixed shapes; {open_ended[0]} has none.")
    if wrong := [t.dtype for t in graph.inputs + graph.outputs if t.dtype != "INT8"]:
        raise GateError(
            f"An Edge TPU needs int8 inputs and outputs; this file has {wrong[0]}. Export with --int8."
        )
    if floats := graph.float_operators():
        raise GateError(
            f"An Edge TPU computes no float: {', '.join(floats)}. Export with --int8 --no-repair."
        )
    if unmapped := graph.unmapped_operators():
        raise GateError(f"An Edge TPU does not map {', '.join(unmapped)}.")
    needed = EXECUTABLE + weight_bytes(graph)
    if needed > ON_CHIP:
        raise GateError(
            f"The model needs about {needed / 2**20:.1f} MiB of the Edge TPU's {ON_CHIP / 2**20:g} MiB; "
            "the rest would be sent again for every picture. Take a narrower network."
        )


def weight_bytes(graph: Graph) -> int:
    """Bytes of all stored tensors, which the compiler caches on the chip: int8 kernels, int32 biases."""
    stored = {t.name: t for op in graph.operators for t in op.inputs if t.stored}
    return sum(t.elements * {"INT8": 1, "INT16": 2, "INT64": 8}.get(t.dtype, 4) for t in stored.values())


def _ends(graph: Graph) -> list[tuple[str, tuple[int, ...]]]:
    def end(tensor: Tensor) -> tuple[str, tuple[int, ...]]:
        return tensor.dtype, tensor.shape

    return [end(t) for t in graph.inputs + graph.outputs]


def _run(flatbuffer: bytes, compiler: str) -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(flatbuffer)
        command = [compiler, "-s", "-o", name, str(folder / "model.tflite")]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=TIME_LIMIT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EdgecolorError(f"{COMPILER} failed: {error}") from error
        compiled = folder / "model_edgetpu.tflite"
        if done.returncode or not compiled.is_file():
            said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            told = " ".join(said)[:400] or f"it ended with {done.returncode} and said nothing"
            raise EdgecolorError(f"{COMPILER} gave no model: {told}")
        return compiled.read_bytes(), done.stdout


def read_log(log: str) -> EdgeTpuCompilation:
    """Reads what the compiler prints with `-s`: sizes, then a table of operator, count and status.

    Raises:
        EdgecolorError: there is no such table in it.
    """
    table = log.partition("Operator ")[2]
    rows = [(name, int(count), status) for name, count, status in _ROW.findall(table)]
    if not rows:
        raise EdgecolorError(
            f"{COMPILER} printed no table of operators; this edgecolor reads that of version 16."
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


def _size(log: str, what: str) -> int:
    found = re.search(rf"{re.escape(what)}: ([\d.]+)({'|'.join(_UNITS)})\b", log)
    return round(float(found.group(1)) * _UNITS[found.group(2)]) if found else 0
