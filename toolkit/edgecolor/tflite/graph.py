"""Read the tensors and operators of a TFLite file from its flatbuffer, without an interpreter.

Only the schema comes from the interpreter's package: generated reading code, no native library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.tflite.operators import EDGE_TPU_OPERATORS
from edgecolor_runtime.errors import EdgecolorError, MissingError, ModelFileError
from edgecolor_runtime.system.commands import pip_install

_KERNEL_OPERATIONS = frozenset({"convolution", "depthwise", "MatMul", "conv_transpose"})  # TensorFlow's

_NUMPY_TYPES = {
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FLOAT16": np.float16,
    "FLOAT32": np.float32,
}

FLOAT_TYPES = frozenset({"FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16"})


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph.

    Attributes:
        name: name that the converter gave.
        shape: sizes; -1 for a size that the file leaves open.
        dtype: name in the schema: "INT8", "FLOAT32", ...
        scales: quantization scales: none, one for the tensor, or one per channel.
        zero_point: zero point of a tensor with one scale; 0 for others.
        stored: whether the data is in the file; false for a computed tensor.
        values: stored values as they are in the file; None for a computed tensor, and for types other than
            integers of 8, 16, 32 and 64 bits and floats of 16 and 32 bits.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_point: int
    stored: bool
    values: NDArray[Any] | None = field(default=None, repr=False, compare=False)

    @property
    def elements(self) -> int:
        """Number of values."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class Operator:
    """An operator and the tensors that it reads and writes.

    Attributes:
        name: the operator.
        inputs: tensors that it reads, without absent optional inputs.
        outputs: tensors that it writes.
        version: version of the operator's definition in TFLite; older interpreters know only lower versions.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    version: int = 1

    @property
    def layer(self) -> str:
        """The Keras layer whose kernel it applies; without a kernel, the layer whose result it gives."""
        parts = [part for t in (*self.inputs[1:2], *self.outputs) if self.macs for part in t.name.split(";")]
        kernels = [part for part in parts if part.rpartition("/")[2] in _KERNEL_OPERATIONS]
        return layer_of(kernels[0] if kernels else self.outputs[0].name)

    @property
    def has_float(self) -> bool:
        """Whether it reads or writes floating point."""
        return any(tensor.dtype in FLOAT_TYPES for tensor in self.inputs + self.outputs)

    @property
    def last_layer(self) -> str:
        """The Keras layer whose result it gives: the last of the layers that are fused into the operator."""
        return layer_of(self.outputs[0].name)

    @property
    def macs(self) -> int:
        """Multiply-adds of a convolution or a matrix product; 0 for other operators."""
        if self.name in {"CONV_2D", "FULLY_CONNECTED"}:  # kernel: (out, h, w, in) or (out, in)
            return self.outputs[0].elements * (self.inputs[1].elements // self.inputs[1].shape[0])
        if self.name == "DEPTHWISE_CONV_2D":  # kernel: (1, h, w, out)
            return self.outputs[0].elements * (self.inputs[1].elements // self.inputs[1].shape[-1])
        if self.name == "TRANSPOSE_CONV":  # each input value meets one kernel of (out, h, w)
            return self.inputs[2].elements * (self.inputs[1].elements // self.inputs[1].shape[-1])
        return 0


@dataclass(frozen=True)
class Graph:
    """The only subgraph of a file, with its operators in the order in which they run."""

    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def macs(self) -> int:
        """Multiply-adds of one run."""
        return sum(op.macs for op in self.operators)

    def float_operators(self) -> list[str]:
        """Return the names of operators that read or write floating point, sorted, each once."""
        return sorted({op.name for op in self.operators if op.has_float})

    def unmapped_operators(self) -> list[str]:
        """Return the names of operators that are not on the Edge TPU list, sorted, each once."""
        return sorted({op.name for op in self.operators} - EDGE_TPU_OPERATORS)

    def stored_weights(self) -> int:
        """Return the number of stored kernel values: tensors of two or more dimensions, without biases."""
        tensors = {id(t): t for op in self.operators for t in op.inputs if t.stored and t.dtype != "INT32"}
        return sum(t.elements for t in tensors.values() if len(t.shape) > 1)

    def per_tensor_kernels(self) -> list[str]:
        """Return the names of integer convolution kernels that have one scale for all channels."""
        convolutions = [op for op in self.operators if op.macs and op.name != "FULLY_CONNECTED"]
        convolutions = [op for op in convolutions if op.inputs[1].dtype not in FLOAT_TYPES]
        kernels = [(op.inputs[1], op.outputs[0].shape[-1]) for op in convolutions]
        return [kernel.name for kernel, channels in kernels if len(kernel.scales) != channels]


def layer_of(tensor: str) -> str:
    """Return the Keras layer in a tensor's name: "fusion_1/conv1_1/convolution;..." gives conv1.

    The converter joins the names of fused operations and puts the name of the result first. Each name is
    model/layer/operation. When Keras traces a network again, it puts the same "_1" behind model and layer. A
    name of another form is returned as it is.
    """
    model, *inside = tensor.partition(";")[0].split("/")
    if len(inside) < 2:
        return tensor
    return inside[0].removesuffix("_1") if model.endswith("_1") else inside[0]


@cache
def _schema() -> ModuleType:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise MissingError(
            "reading a TFLite file needs its schema, which ai-edge-litert contains. Install it with: "
            f"{pip_install('ai-edge-litert>=2.1')}"
        ) from error
    module: ModuleType = schema_py_generated
    return module


@cache
def _names(enum: str) -> dict[int, str]:
    return {code: name for name, code in vars(getattr(_schema(), enum)).items() if not name.startswith("_")}


def read_graph(flatbuffer: bytes) -> Graph:
    """Read a TFLite flatbuffer. Bytes after the flatbuffer, such as a zip, are ignored.

    Raises:
        ModelFileError: not a TFLite flatbuffer, broken, or with more than one subgraph.
        MissingError: ai-edge-litert, which has the schema, is not installed.
    """
    if flatbuffer[4:8] != b"TFL3":
        raise ModelFileError("Not a TFLite file: the identifier TFL3 is missing.")
    try:
        model = _schema().ModelT.InitFromPackedBuf(flatbuffer, 0)
        if len(model.subgraphs) != 1:
            raise ModelFileError(f"The TFLite file has {len(model.subgraphs)} subgraphs; expected 1.")
        return _graph(model)
    except EdgecolorError:
        raise
    except Exception as error:  # the generated code raises nearly anything on broken bytes
        raise ModelFileError(f"The TFLite file is broken: {error}") from error


def read_tree(flatbuffer: bytes) -> Any:
    """Return an intact TFLite flatbuffer as the schema's own objects; `read_graph` refuses a broken one."""
    return _schema().ModelT.InitFromPackedBuf(flatbuffer, 0)


def _graph(model: Any) -> Graph:
    sub = model.subgraphs[0]
    tensors = [_tensor(t, model.buffers[t.buffer]) for t in sub.tensors]
    codes = [_operator_name(code) for code in model.operatorCodes]

    def pick(indices: Any) -> tuple[Tensor, ...]:
        return tuple(tensors[i] for i in indices if i >= 0)

    operators = tuple(
        Operator(
            codes[o.opcodeIndex],
            pick(o.inputs),
            pick(o.outputs),
            int(model.operatorCodes[o.opcodeIndex].version),
        )
        for o in sub.operators
    )
    return Graph(operators, pick(sub.inputs), pick(sub.outputs))


def _operator_name(code: Any) -> str:
    # Old files have the code in a byte, new files in an int; the larger number is the code.
    name = _names("BuiltinOperator")[max(code.builtinCode, code.deprecatedBuiltinCode)]
    return f"CUSTOM:{code.customCode.decode()}" if name == "CUSTOM" else name


def _tensor(tensor: Any, buffer: Any) -> Tensor:
    quantization = tensor.quantization
    scales = None if quantization is None else quantization.scale
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    dtype = _names("TensorType")[tensor.type]
    stored = buffer.data is not None and len(buffer.data) > 0
    return Tensor(
        name=tensor.name.decode(),
        shape=() if shape is None else tuple(map(int, shape)),
        dtype=dtype,
        scales=() if scales is None else tuple(map(float, scales)),
        zero_point=int(quantization.zeroPoint[0]) if scales is not None and len(scales) == 1 else 0,
        stored=stored,
        values=_values(buffer.data, dtype, tensor.shape) if stored else None,
    )


def _values(data: Any, dtype: str, shape: Any) -> NDArray[Any] | None:
    if (kind := _NUMPY_TYPES.get(dtype)) is None:
        return None
    return np.frombuffer(bytes(data), kind).reshape(() if shape is None else shape)


def find_bias(
    flatbuffer: bytearray, ending: tuple[str, ...]
) -> tuple[NDArray[np.int32], NDArray[np.float64]] | None:
    """Find the biases of the last convolution of a file.

    Args:
        flatbuffer: a TFLite file.
        ending: operator names from the output backwards; the last name is the convolution.

    Returns:
        The biases, int32 (channels,), a view into `flatbuffer` that changes the file when it is written to;
        and the real value of one step, float64 (channels,). None if the file ends in other operators.
    """
    model = _schema().Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    producers = {int(op.OutputsAsNumpy()[0]): op for op in operators}
    tensor_index = int(graph.OutputsAsNumpy()[0])
    operator = None
    for name in ending:
        operator = producers.get(tensor_index)
        if operator is None or _code_name(model.OperatorCodes(operator.OpcodeIndex())) != name:
            return None
        tensor_index = int(operator.InputsAsNumpy()[0])
    if operator is None or operator.InputsLength() < 3:
        return None
    tensor = graph.Tensors(int(operator.InputsAsNumpy()[2]))
    values = model.Buffers(tensor.Buffer()).DataAsNumpy().view(np.int32)
    return values, tensor.Quantization().ScaleAsNumpy().astype(np.float64)


def _code_name(code: Any) -> str:
    return _names("BuiltinOperator")[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
