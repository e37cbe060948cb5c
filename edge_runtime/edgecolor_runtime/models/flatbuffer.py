"""Check a TFLite flatbuffer in Python before an interpreter reads it.

Interpreters are native code that trusts its input: a wrong index crashes the process, a large shape exhausts
the memory, and a loop never ends. Here offsets, indexes, types and shapes are checked against the file and
against limits. The format is https://flatbuffers.dev/internals; the tables are those of TFLite's schema 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from edgecolor_runtime.errors import ModelFileError

EDGE_TPU_OPERATOR = b"edgetpu-custom-op"

_OPERATORS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE",
    9: "FULLY_CONNECTED", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 21: "RELU6",
    22: "RESHAPE", 23: "RESIZE_BILINEAR", 25: "SOFTMAX", 28: "TANH", 32: "CUSTOM", 34: "PAD", 36: "GATHER",
    39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 45: "STRIDED_SLICE", 54: "PRELU", 55: "MAXIMUM",
    57: "MINIMUM", 65: "SLICE", 67: "TRANSPOSE_CONV", 69: "TILE", 74: "SUM", 76: "RSQRT", 77: "SHAPE",
    83: "PACK", 97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU", 99: "SQUARED_DIFFERENCE", 114: "QUANTIZE",
    117: "HARD_SWISH", 130: "BROADCAST_TO", 150: "GELU",
}  # fmt: skip
_TYPE_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 9: 8, 17: 4}  # TensorType -> bits of a value
_INPUTS = {
    "CONV_2D": (2, 3),
    "DEPTHWISE_CONV_2D": (2, 3),
    "FULLY_CONNECTED": (2, 3),
    "TRANSPOSE_CONV": (3, 4),
}
_BROADCAST = frozenset({"ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU"})
_SAME_SHAPE = frozenset(
    {
        "DEQUANTIZE",
        "QUANTIZE",
        "LOGISTIC",
        "TANH",
        "RELU",
        "RELU6",
        "HARD_SWISH",
        "LEAKY_RELU",
        "GELU",
        "SOFTMAX",
    }
    | {"RSQRT"}
)
_NOT_LARGER = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SUM", "SLICE", "STRIDED_SLICE", "SHAPE"})
_MAX_VERSION = 20  # of an operator's definition
_MAX_RANK = 6


@dataclass(frozen=True)
class GateLimits:
    """What a flatbuffer may hold and ask for.

    Attributes:
        tensors: number of tensors, of operators and of buffers.
        tensor_bytes: size of a tensor.
        computed_bytes: size of all tensors that are computed.
        multiply_adds: multiply-adds of a run.
        is_run: whether an interpreter of this process will run it: all operators and shapes must be known.
    """

    tensors: int
    tensor_bytes: int
    computed_bytes: int
    multiply_adds: float
    is_run: bool = True


EDGECOLOR_LIMITS = GateLimits(4000, tensor_bytes=64 << 20, computed_bytes=512 << 20, multiply_adds=2e10)
"""Limits of edgecolor models. The model m has 0.4e9 multiply-adds and tensors of up to 6 MB."""

FOREIGN_LIMITS = GateLimits(
    20_000, tensor_bytes=256 << 20, computed_bytes=2 << 30, multiply_adds=2e11, is_run=False
)
"""Limits of other .tflite files that are only described."""


_ItemT = TypeVar("_ItemT")


class _BrokenError(ValueError):
    """The flatbuffer is broken, or asks for too much. The message says how."""


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]
    kind: int
    data: memoryview | None  # None for a computed tensor

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    def integers(self) -> tuple[int, ...]:
        """Return the stored values of a tensor of INT32 or INT64."""
        if self.data is None or self.kind not in (2, 4):
            raise _BrokenError("a shape is computed, not stored")
        return struct.unpack(f"<{self.elements}{'i' if self.kind == 2 else 'q'}", self.data)


class _Reader:
    """The tables of a flatbuffer. Every access is checked against its end."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def number(self, code: str, at: int) -> int:
        if not 0 <= at <= len(self._data) - struct.calcsize(code):
            raise _BrokenError("an offset lies outside of the file")
        return int(struct.unpack_from(f"<{code}", self._data, at)[0])

    def floats(self, at: int, count: int) -> tuple[float, ...]:
        return struct.unpack_from(f"<{count}f", self._data, at)

    def follow(self, at: int) -> int:
        return at + self.number("I", at)

    def field(self, table: int, index: int) -> int | None:
        """Return the position of a field of a table, or None if it has its default."""
        vtable = table - self.number("i", table)
        size, table_size = self.number("H", vtable), self.number("H", vtable + 2)
        if size < 4 or size % 2 or table_size < 4:
            raise _BrokenError("a table is broken")
        self.number("B", vtable + size - 1)
        self.number("B", table + table_size - 1)
        if 4 + 2 * index >= size:
            return None
        offset = self.number("H", vtable + 4 + 2 * index)
        if offset >= table_size:
            raise _BrokenError("a field lies outside of its table")
        return table + offset if offset else None

    def scalar(self, table: int, index: int, code: str, default: int = 0) -> int:
        at = self.field(table, index)
        return default if at is None else self.number(code, at)

    def vector(self, table: int, index: int, item: int, limit: int) -> tuple[int, int]:
        """Return the position and number of the items of a vector; (0, 0) if it is absent."""
        at = self.field(table, index)
        if at is None:
            return 0, 0
        at = self.follow(at)
        count = self.number("I", at)
        if count > limit or at + 4 + count * item > len(self._data):
            raise _BrokenError("a list is longer than the file, or has too many items")
        return at + 4, count

    def tables(self, table: int, index: int, limit: int) -> list[int]:
        at, count = self.vector(table, index, 4, limit)
        return [self.follow(at + 4 * i) for i in range(count)]

    def integers(self, table: int, index: int, limit: int) -> tuple[int, ...]:
        at, count = self.vector(table, index, 4, limit)
        return struct.unpack_from(f"<{count}i", self._data, at)

    def text(self, table: int, index: int) -> bytes:
        at, count = self.vector(table, index, 1, 1 << 16)
        return bytes(self._data[at : at + count])

    def bytes_of(self, table: int, index: int) -> memoryview:
        at, count = self.vector(table, index, 1, len(self._data))
        return self._data[at : at + count]


def verify_flatbuffer(data: bytes, limits: GateLimits = EDGECOLOR_LIMITS) -> None:
    """Refuse a flatbuffer that an interpreter should not see.

    Args:
        data: the flatbuffer; bytes after it are ignored.
        limits: what the file may hold and ask for.

    Raises:
        ModelFileError: it is broken, has several subgraphs, unknown operators, open or changing shapes, or
            stored values that do not fill their tensor, or it exceeds a limit.
    """
    try:
        _verify(_Reader(data), limits)
    except _BrokenError as error:
        raise ModelFileError(f"cannot load this model: {error}") from None
    except (struct.error, ValueError, OverflowError, IndexError) as error:
        raise ModelFileError(f"cannot load this model: it is broken ({error})") from None


def _verify(reader: _Reader, limits: GateLimits) -> None:
    if reader.number("I", 4) != int.from_bytes(b"TFL3", "little"):
        raise _BrokenError("it is not a TFLite file")
    model = reader.follow(0)
    if (version := reader.scalar(model, 0, "I")) != 3:
        raise _BrokenError(f"it has version {version} of the schema; expected 3")
    graphs = reader.tables(model, 2, limits.tensors)
    if len(graphs) != 1:
        raise _BrokenError(f"it has {len(graphs)} subgraphs; expected 1")
    buffers = [_buffer(reader, table) for table in reader.tables(model, 4, limits.tensors)]
    codes = [_operator_name(reader, table, limits) for table in reader.tables(model, 1, limits.tensors)]
    for table in reader.tables(model, 6, limits.tensors):
        _pick(buffers, reader.scalar(table, 1, "I"), "buffer")
    tensors = [
        _tensor(reader, table, buffers, limits) for table in reader.tables(graphs[0], 0, limits.tensors)
    ]
    computed = sum(_size(tensor.shape, tensor.kind) for tensor in tensors if tensor.data is None)
    if computed > limits.computed_bytes:
        raise _BrokenError(
            f"its tensors take {computed / 1e6:.0f} MB; at most {limits.computed_bytes / 1e6:.0f} MB"
        )
    _verify_order(reader, graphs[0], tensors, codes, limits=limits)


def _buffer(reader: _Reader, table: int) -> memoryview:
    if reader.scalar(table, 1, "Q") > 1 or reader.scalar(table, 2, "Q") > 1:
        raise _BrokenError("it keeps values outside of the flatbuffer")
    return reader.bytes_of(table, 0)


def _operator_name(reader: _Reader, table: int, limits: GateLimits) -> str:
    code = max(reader.scalar(table, 0, "b"), reader.scalar(table, 3, "i"))
    name = _OPERATORS.get(code)
    if not limits.is_run:
        return name or "unknown"
    if name is None or (name == "CUSTOM" and reader.text(table, 1) != EDGE_TPU_OPERATOR):
        raise _BrokenError(f"it has an operator that edgecolor does not know (code {code})")
    if not 1 <= reader.scalar(table, 2, "i", 1) <= _MAX_VERSION:
        raise _BrokenError(f"it has an unknown version of the operator {name}")
    return name


def _tensor(reader: _Reader, table: int, buffers: list[memoryview], limits: GateLimits) -> _Tensor:
    shape = reader.integers(table, 0, _MAX_RANK)
    kind = reader.scalar(table, 1, "b")
    if kind not in _TYPE_BITS:
        raise _BrokenError(f"a tensor has an unknown type (code {kind})")
    signature = reader.integers(table, 7, _MAX_RANK)
    if any(size < 1 for size in (*shape, *(signature if limits.is_run else ()))):
        raise _BrokenError("the shape of a tensor is not fixed")
    if reader.field(table, 6) is not None or reader.field(table, 9) is not None:
        raise _BrokenError("a tensor is sparse or a variant")
    reader.text(table, 3)
    size = _size(shape, kind)
    if size > limits.tensor_bytes:
        raise _BrokenError(f"a tensor takes {size / 1e6:.0f} MB; at most {limits.tensor_bytes / 1e6:.0f} MB")
    data = _pick(buffers, reader.scalar(table, 2, "I"), "buffer")
    if len(data) and len(data) != size:
        raise _BrokenError(f"a tensor of {size} bytes has {len(data)} stored bytes")
    quantization = reader.field(table, 4)
    if quantization is not None:
        _verify_quantization(reader, reader.follow(quantization), shape)
    return _Tensor(shape, kind, data if len(data) else None)


def _verify_quantization(reader: _Reader, table: int, shape: tuple[int, ...]) -> None:
    limit = max(shape, default=1)
    at, scales = reader.vector(table, 2, 4, limit)
    _, zero_points = reader.vector(table, 3, 8, limit)
    axis = reader.scalar(table, 6, "i")
    if reader.scalar(table, 4, "B"):
        raise _BrokenError("a tensor has a quantization of its own kind")
    if zero_points not in (0, 1, scales) or (scales > 1 and not 0 <= axis < len(shape)):
        raise _BrokenError("the quantization of a tensor does not fit its shape")
    if scales > 1 and scales != shape[axis]:
        raise _BrokenError("the quantization of a tensor does not fit its shape")
    if not all(0 <= scale < math.inf for scale in reader.floats(at, scales)):
        raise _BrokenError("a quantization scale is not a positive number")


def _verify_order(
    reader: _Reader, graph: int, tensors: list[_Tensor], codes: list[str], *, limits: GateLimits
) -> None:
    """Check that each operator reads what exists and writes what nothing else writes, in shapes that fit."""
    inputs = reader.integers(graph, 1, len(tensors))
    ready = {i for i, tensor in enumerate(tensors) if tensor.data is not None}
    for i in inputs:
        _pick(tensors, i, "tensor")
    if not inputs or ready & set(inputs):
        raise _BrokenError("it has no input, or a stored one")
    ready |= set(inputs)
    work = 0.0
    for table in reader.tables(graph, 3, limits.tensors):
        name = _pick(codes, reader.scalar(table, 0, "I"), "operator")
        if (options := reader.field(table, 4)) is not None:
            reader.field(reader.follow(options), 0)
        sources, targets = (
            reader.integers(table, 1, limits.tensors),
            reader.integers(table, 2, limits.tensors),
        )
        reader.bytes_of(table, 5), reader.bytes_of(table, 7), reader.integers(table, 8, limits.tensors)
        if not sources or not targets or not set(sources) - {-1} <= ready or ready & set(targets):
            raise _BrokenError(f"{name} reads a tensor that does not exist yet, or writes one that exists")
        read = [tensors[i] for i in sources if i >= 0]
        written = [_pick(tensors, i, "tensor") for i in targets]
        ready |= set(targets)
        if name in _INPUTS or (limits.is_run and name != "CUSTOM"):
            _verify_shapes(name, read, written, present=len(read) == len(sources))
        work += sum(_multiply_adds(name, read, written))
    if work > limits.multiply_adds:
        raise _BrokenError(
            f"it has {work / 1e9:.0f} G multiply-adds; at most {limits.multiply_adds / 1e9:.0f} G"
        )
    outputs = reader.integers(graph, 2, len(tensors))
    if not outputs or not set(outputs) <= ready:
        raise _BrokenError("it has no output, or one that nothing computes")


def _verify_shapes(name: str, read: list[_Tensor], written: list[_Tensor], *, present: bool) -> None:
    """Compare the shape of a result with the shape that an interpreter computes, or with a bound on it."""
    least, most = _INPUTS.get(name, (1, 4))
    if name in _BROADCAST or name in (
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "PAD",
        "TILE",
        "MEAN",
        "SUM",
    ):
        least = most = 2
    if name in _SAME_SHAPE:
        least = most = 1
    if name in ("CONCATENATION", "PACK"):
        most = 64
    if len(written) != 1 or not (read and least <= len(read) <= most):
        raise _BrokenError(f"{name} has a wrong number of inputs or outputs")
    given, result = [tensor.shape for tensor in read], written[0].shape
    if not present and name not in _INPUTS:
        raise _BrokenError(f"{name} lacks an input")
    if not _is_possible(name, read, given, result):
        raise _BrokenError(f"{name} cannot give the shape {result} from {', '.join(map(str, given))}")


def _is_possible(  # noqa: PLR0911, PLR0912
    name: str, read: list[_Tensor], given: list[tuple[int, ...]], result: tuple[int, ...]
) -> bool:
    first, elements = given[0], math.prod(result)
    if name in _SAME_SHAPE:
        return result == first
    if name in _BROADCAST:
        rank = max(map(len, given))
        padded = [(1,) * (rank - len(shape)) + shape for shape in given]
        pairs = list(zip(*padded, strict=True))
        return all(1 in pair or len(set(pair)) == 1 for pair in pairs) and result == tuple(map(max, pairs))
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        kernel = given[1]
        if not len(first) == len(kernel) == len(result) == 4:
            return False
        depthwise = name == "DEPTHWISE_CONV_2D"
        channels = kernel[3] if depthwise else kernel[0]
        fits = kernel[0] == 1 and channels % first[3] == 0 if depthwise else kernel[3] == first[3]
        bias = len(given) < 3 or math.prod(given[2]) == channels
        smaller = result[0] == first[0] and result[1] <= first[1] and result[2] <= first[2]
        return fits and bias and smaller and result[3] == channels
    if name == "FULLY_CONNECTED":
        kernel = given[1]
        fits = len(kernel) == 2 and read[0].elements % kernel[1] == 0
        return fits and elements == read[0].elements // kernel[1] * kernel[0]
    if name == "TRANSPOSE_CONV":
        return len(given[1]) == len(given[2]) == 4 and read[0].integers() == result
    if name in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        size = read[1].integers()
        return len(first) == len(result) == 4 and result == (first[0], *size, first[3])
    if name == "PAD":
        pads = read[1].integers()
        borders = list(zip(pads[::2], pads[1::2], strict=True))
        widened = tuple(n + a + b for n, (a, b) in zip(first, borders, strict=True))
        return min(pads, default=0) >= 0 and widened == result
    if name == "TILE":
        return tuple(n * m for n, m in zip(first, read[1].integers(), strict=True)) == result
    if name == "BROADCAST_TO":
        return len(read) == 2 and read[1].integers() == result
    if name == "TRANSPOSE":
        axes = read[1].integers() if len(read) == 2 else ()
        return sorted(axes) == list(range(len(first))) and tuple(first[i] for i in axes) == result
    if name == "RESHAPE":
        wanted = read[1].integers() if len(read) == 2 else result
        return elements == read[0].elements and len(wanted) == len(result)
    if name in ("CONCATENATION", "PACK"):
        return elements == sum(tensor.elements for tensor in read)
    if name in _NOT_LARGER:
        for tensor in read[1:]:
            tensor.integers()  # axes and ranges are stored
        if name in ("MEAN", "SUM") and not all(
            -len(first) <= axis < len(first) for axis in read[1].integers()
        ):
            return False
        return elements <= max(read[0].elements, _MAX_RANK)
    return name == "GATHER" and read[1].data is not None and elements <= read[0].elements * read[1].elements


def _multiply_adds(name: str, read: list[_Tensor], written: list[_Tensor]) -> Iterator[float]:
    yield sum(tensor.elements for tensor in written)
    if name in ("CONV_2D", "FULLY_CONNECTED"):
        yield written[0].elements * (read[1].elements / read[1].shape[0])
    elif name == "DEPTHWISE_CONV_2D":
        yield written[0].elements * (read[1].elements / read[1].shape[-1])
    elif name == "TRANSPOSE_CONV":
        yield read[2].elements * (read[1].elements / read[1].shape[-1])


def _size(shape: tuple[int, ...], kind: int) -> int:
    return (math.prod(shape) * _TYPE_BITS[kind] + 7) // 8


def _pick(items: list[_ItemT], index: int, what: str) -> _ItemT:
    if not 0 <= index < len(items):
        raise _BrokenError(f"it names a {what} that it does not have")
    return items[index]
