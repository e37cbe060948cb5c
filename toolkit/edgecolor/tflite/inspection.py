"""Describe a model file: its metadata, sizes, operators, and which interpreters support the operators."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecolor.tflite.graph import Graph, Operator, Tensor, read_graph
from edgecolor.tflite.operators import EDGE_TPU_OPERATORS, TFLITE_RUNTIME_214
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.flatbuffer import FOREIGN_LIMITS, verify_flatbuffer
from edgecolor_runtime.models.info import ModelInfo
from edgecolor_runtime.models.model_file import INFO_MEMBER, MAX_FILE_BYTES, ModelFile, parse
from edgecolor_runtime.models.shipped import SHIPPED, shipped_bytes


@dataclass(frozen=True)
class OperatorUse:
    """One kind of operator in a file.

    Attributes:
        name: the operator.
        version: version of its definition.
        count: how many operators of this kind the file has.
        tflite_runtime: whether tflite-runtime 2.14 loads it; None if that is not known.
        edge_tpu: whether an Edge TPU maps all of them: they are on its list, and without floats.
    """

    name: str
    version: int
    count: int
    tflite_runtime: bool | None
    edge_tpu: bool


@dataclass(frozen=True)
class Kernel:
    """The stored kernel of one layer.

    Attributes:
        layer: the Keras layer.
        operator: the TFLite operator.
        shape: shape of the kernel.
        dtype: number format of its values.
        macs: multiply-adds of the operator.
        zeros: share of its values that are exactly 0.
    """

    layer: str
    operator: str
    shape: tuple[int, ...]
    dtype: str
    macs: int
    zeros: float


@dataclass(frozen=True)
class Endpoint:
    """An input or output of the graph; scale and zero point are None for a float tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Inspection:
    """What a model file holds.

    Attributes:
        file: the file, or the name of a shipped model.
        info: what the file says about the model; None for a file without edgecolor.json.
        golden: number of golden vectors.
        bytes: size of the file.
        flatbuffer_bytes: size of the flatbuffer.
        deflated_bytes: size of the flatbuffer after deflate, the compression of gzip and zip.
        sha256: hash of the file.
        flatbuffer_sha256: hash of the flatbuffer.
        macs: multiply-adds of one run.
        kernel_values: number of values of all kernels.
        sparsity: share of exact zeros in the values of all kernels.
        inputs: inputs of the graph.
        outputs: outputs of the graph.
        operators: kinds of operators, sorted by name and version.
        kernels: stored kernels, in the order of the operators.
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
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    operators: tuple[OperatorUse, ...]
    kernels: tuple[Kernel, ...]


def inspect_file(name: str) -> Inspection:
    """Read a model file, a shipped model by its name, or any other .tflite.

    Raises:
        ModelFileError: no such file, not a TFLite file, or damaged edgecolor metadata.
    """
    data = shipped_bytes(name) if name in SHIPPED else _read(Path(name))
    model = parse(data, name) if _has_metadata(data) else None
    flatbuffer = data if model is None else model.flatbuffer
    try:
        verify_flatbuffer(flatbuffer, FOREIGN_LIMITS)
        graph = read_graph(flatbuffer)
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error}") from None
    kernels = [(kernel, _describe_kernel(op, kernel)) for op, kernel in _find_kernels(graph)]
    values = sum(tensor.elements for tensor, _ in kernels)
    zeros = sum(round(kernel.zeros * tensor.elements) for tensor, kernel in kernels)
    return Inspection(
        file=name,
        info=None if model is None else model.info,
        golden=_count_golden(model),
        bytes=len(data),
        flatbuffer_bytes=len(flatbuffer),
        deflated_bytes=len(zlib.compress(flatbuffer, 9)),
        sha256=hashlib.sha256(data).hexdigest(),
        flatbuffer_sha256=hashlib.sha256(flatbuffer).hexdigest(),
        macs=graph.macs,
        kernel_values=values,
        sparsity=zeros / values if values else 0.0,
        inputs=tuple(map(_describe_endpoint, graph.inputs)),
        outputs=tuple(map(_describe_endpoint, graph.outputs)),
        operators=tuple(_count_operators(graph)),
        kernels=tuple(kernel for _, kernel in kernels),
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(
                f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB. This is not an edgecolor model."
            )
        return path.read_bytes()
    except FileNotFoundError:
        known = ", ".join(SHIPPED)
        raise ModelFileError(
            f"{path}: no such file, and not the name of a shipped model ({known})."
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}.") from error


def _has_metadata(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return INFO_MEMBER in archive.namelist()
    except zipfile.BadZipFile:
        return False


def _count_golden(model: ModelFile | None) -> int:
    return 0 if model is None else len(model.golden.gray)


def _describe_endpoint(tensor: Tensor) -> Endpoint:
    scale = tensor.scales[0] if tensor.scales else None
    zero_point = None if scale is None else tensor.zero_point
    return Endpoint(tensor.name, tensor.dtype, tensor.shape, scale=scale, zero_point=zero_point)


def _count_operators(graph: Graph) -> Iterator[OperatorUse]:
    kinds = sorted({(op.name, op.version) for op in graph.operators})
    for name, version in kinds:
        operators = [op for op in graph.operators if (op.name, op.version) == (name, version)]
        highest = TFLITE_RUNTIME_214.get(name)
        loads = None if highest is None else version <= highest
        if name.startswith("CUSTOM:"):
            loads = False
        mapped = name in EDGE_TPU_OPERATORS and not any(op.has_float for op in operators)
        yield OperatorUse(name, version, len(operators), tflite_runtime=loads, edge_tpu=mapped)


def _find_kernels(graph: Graph) -> Iterator[tuple[Operator, Tensor]]:
    """Yield the operators with a stored kernel; a float16 file stores it before a DEQUANTIZE."""
    sources = {id(op.outputs[0]): op.inputs[0] for op in graph.operators if op.name == "DEQUANTIZE"}
    for op in graph.operators:
        if op.macs:
            kernel = op.inputs[1]
            kernel = kernel if kernel.stored else sources.get(id(kernel), kernel)
            if kernel.values is not None:
                yield op, kernel


def _describe_kernel(operator: Operator, kernel: Tensor) -> Kernel:
    assert kernel.values is not None
    return Kernel(
        layer=operator.layer,
        operator=operator.name,
        shape=kernel.shape,
        dtype=kernel.dtype,
        macs=operator.macs,
        zeros=float(np.mean(kernel.values == kernel.zero_point)),
    )
