"""What is in a model file, for a reader: its own words, its sizes, its operators and who takes them."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecolor.tflite.graph import Graph, Operator, Tensor, read_graph
from edgecolor.tflite.operators import EDGE_TPU_OPERATORS, TFLITE_RUNTIME_214
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.info import ModelInfo
from edgecolor_runtime.models.model_file import INFO_MEMBER, MAX_FILE_BYTES, ModelFile, parse
from edgecolor_runtime.models.shipped import SHIPPED, shipped_bytes


@dataclass(frozen=True)
class OperatorUse:
    """One kind of operator in a file."""

    name: str
    version: int
    count: int
    tflite_runtime: bool | None  # whether tflite-runtime 2.14 loads it; None where that is not known here
    edge_tpu: bool  # whether an Edge TPU maps all of them: on its list, and without floats


@dataclass(frozen=True)
class Kernel:
    """The stored kernel of one layer."""

    layer: str
    operator: str
    shape: tuple[int, ...]
    dtype: str
    macs: int
    zeros: float  # share of its values that are exactly 0


@dataclass(frozen=True)
class Inspection:
    """A file as it lies there.

    Attributes:
        info: what the file says about the model; None for a file without edgecolor.json.
        golden: number of golden vectors.
        bytes: of the file; then of the flatbuffer, and of the flatbuffer deflated as gzip and zip do it.
        sha256: of the file; then of the flatbuffer.
        macs: multiply-adds of one run.
        sparsity: share of exact zeros in the values of all kernels.
    """

    file: str
    info: ModelInfo | None
    golden: int
    bytes: int
    flatbuffer_bytes: int
    deflated_bytes: int
    sha256: str
    flatbuffer_sha256: str
    macs: int
    kernel_values: int
    sparsity: float
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    operators: tuple[OperatorUse, ...]
    kernels: tuple[Kernel, ...]


def inspect_file(name: str) -> Inspection:
    """Reads a model file, a shipped model by its name, or any other .tflite.

    Raises:
        ModelFileError: no such file, no TFLite file, or one whose edgecolor metadata is not intact.
    """
    data = shipped_bytes(name) if name in SHIPPED else _read(Path(name))
    model = parse(data, name) if _is_ours(data) else None
    flatbuffer = data if model is None else model.flatbuffer
    graph = read_graph(flatbuffer)
    kernels = [(kernel, _kernel(op, kernel)) for op, kernel in _kernels(graph)]
    values = sum(tensor.elements for tensor, _ in kernels)
    zeros = sum(round(kernel.zeros * tensor.elements) for tensor, kernel in kernels)
    return Inspection(
        file=name,
        info=None if model is None else model.info,
        golden=_golden(model),
        bytes=len(data),
        flatbuffer_bytes=len(flatbuffer),
        deflated_bytes=len(zlib.compress(flatbuffer, 9)),
        sha256=hashlib.sha256(data).hexdigest(),
        flatbuffer_sha256=hashlib.sha256(flatbuffer).hexdigest(),
        macs=graph.macs,
        kernel_values=values,
        sparsity=zeros / values if values else 0.0,
        inputs=tuple(map(_end, graph.inputs)),
        outputs=tuple(map(_end, graph.outputs)),
        operators=tuple(_uses(graph)),
        kernels=tuple(kernel for _, kernel in kernels),
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB: no model for this.")
        return path.read_bytes()
    except FileNotFoundError:
        known = ", ".join(SHIPPED)
        raise ModelFileError(
            f"{path}: no such file, nor a shipped model's name (there are: {known})."
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}.") from error


def _is_ours(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return INFO_MEMBER in archive.namelist()
    except zipfile.BadZipFile:
        return False


def _golden(model: ModelFile | None) -> int:
    return 0 if model is None else len(model.golden.gray)


def _end(tensor: Tensor) -> dict[str, Any]:
    scale = tensor.scales[0] if tensor.scales else None
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        "scale": scale,
        "zero_point": None if scale is None else tensor.zero_point,
    }


def _uses(graph: Graph) -> Iterator[OperatorUse]:
    kinds = sorted({(op.name, op.version) for op in graph.operators})
    for name, version in kinds:
        those = [op for op in graph.operators if (op.name, op.version) == (name, version)]
        highest = TFLITE_RUNTIME_214.get(name)
        loads = None if highest is None else version <= highest
        if name.startswith("CUSTOM:"):
            loads = False
        mapped = name in EDGE_TPU_OPERATORS and not any(op.has_float for op in those)
        yield OperatorUse(name, version, len(those), loads, mapped)


def _kernels(graph: Graph) -> Iterator[tuple[Operator, Tensor]]:
    """Operators with a stored kernel; a float16 file stores it in front of a DEQUANTIZE."""
    sources = {id(op.outputs[0]): op.inputs[0] for op in graph.operators if op.name == "DEQUANTIZE"}
    for op in graph.operators:
        if op.macs:
            kernel = op.inputs[1]
            kernel = kernel if kernel.stored else sources.get(id(kernel), kernel)
            if kernel.values is not None:
                yield op, kernel


def _kernel(operator: Operator, kernel: Tensor) -> Kernel:
    assert kernel.values is not None
    zero = kernel.values == kernel.zero_point
    return Kernel(
        operator.layer, operator.name, kernel.shape, kernel.dtype, operator.macs, float(np.mean(zero))
    )
