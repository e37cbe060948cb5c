"""Compare every stored value of an exported file with the same export made again from its reference.

The export is deterministic: on one kind of processor, the same network and pictures give the same bytes. One
wrong bit is a difference, and is named with its layer. Another kind of processor sums in another order.
Float files stay as they are, but the joint rounding of int8 kernels amplifies the difference. With oneDNN
and OpenBLAS held to SSE4 (`ONEDNN_MAX_CPU_ISA`, `OPENBLAS_CORETYPE`) the small model differs in 42 places:
kernels in up to 2 % of their values, by up to 5 steps; scales by 0.013 %; biases by less than 4 steps of the
output of their convolution. Therefore small differences in several places at once are reported and accepted.
A wrong byte lies in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecolor.tflite.graph import Operator, Tensor, read_graph, read_tree

MIN_ROUNDING_PLACES = 4
"""Fewest places that differ if another processor is the reason."""

MAX_KERNEL_STEPS = 8
MAX_KERNEL_SHARE = 0.05  # of the values of one kernel
MAX_SCALE_CHANGE = 1e-3  # relative
MAX_BIAS_STEPS = 4  # of the convolution's output


@dataclass(frozen=True)
class Deviation:
    """A difference between the stored file and the export made again.

    Attributes:
        layer: the Keras layer.
        text: what differs, how often, where first, and both values.
        rounding: whether the arithmetic of another processor may be the reason.
    """

    layer: str
    text: str
    rounding: bool = False


def compare_exports(stored: bytes, remade: bytes) -> list[Deviation]:
    """Compare two flatbuffers of one network: operators and their options, tensors and their stored values.

    Returns:
        What differs, in the order of the operators; empty if and only if the bytes are the same.

    Raises:
        ModelFileError: one of the files is broken.
    """
    if stored == remade:
        return []
    operators, expected_operators = read_graph(stored).operators, read_graph(remade).operators
    if list(map(_kind, operators)) != list(map(_kind, expected_operators)):
        return [_compare_operators(operators, expected_operators)]
    compared: set[int] = set()
    deviations = []
    for operator, expected in zip(operators, expected_operators, strict=True):
        tensors, expected_tensors = ((*op.inputs, *op.outputs) for op in (operator, expected))
        if len(tensors) != len(expected_tensors):
            text = f"{operator.name} has {len(tensors)} tensors, expected {len(expected_tensors)}"
            deviations.append(Deviation(expected.layer, text))
            continue
        for tensor, expected_tensor in zip(tensors, expected_tensors, strict=True):
            if id(tensor) not in compared:
                deviations += _compare_tensors(expected, tensor, expected_tensor)
            compared.add(id(tensor))
    rest = _first_difference(_without_values(stored), _without_values(remade), "")
    if rest or not deviations:
        deviations.append(Deviation("none", rest or "bytes that no tensor or operator uses differ"))
    return deviations


def only_rounding(deviations: Sequence[Deviation]) -> bool:
    """Return whether another processor's arithmetic explains all: small differences in several places."""
    return all(d.rounding for d in deviations) and len(deviations) >= MIN_ROUNDING_PLACES


def _kind(operator: Operator) -> tuple[str, int]:
    return operator.name, operator.version


def _compare_operators(operators: Sequence[Operator], expected_operators: Sequence[Operator]) -> Deviation:
    """Return the first difference between two lists of operators that differ."""
    for index, (operator, expected) in enumerate(zip(operators, expected_operators, strict=False)):
        if _kind(operator) != _kind(expected):
            return Deviation(
                expected.layer,
                f"operator {index} is {operator.name} version {operator.version}, "
                f"expected {expected.name} version {expected.version}",
            )
    return Deviation("none", f"{len(operators)} operators, expected {len(expected_operators)}")


def _compare_tensors(operator: Operator, tensor: Tensor, expected: Tensor) -> Iterator[Deviation]:
    for attribute in ("shape", "dtype", "zero_point", "stored"):
        value, expected_value = getattr(tensor, attribute), getattr(expected, attribute)
        if value != expected_value:
            title = attribute.replace("_", " ")
            text = f"{title} of {_short_name(expected)} is {value}, expected {expected_value}"
            yield Deviation(operator.layer, text)
            return
    if tensor.scales != expected.scales:
        yield _compare_scales(operator.layer, tensor, expected)
    if tensor.values is not None and expected.values is not None:
        yield from _compare_values(operator, tensor, expected)


def _compare_scales(layer: str, tensor: Tensor, expected: Tensor) -> Deviation:
    name = _short_name(expected)
    if len(tensor.scales) != len(expected.scales):
        return Deviation(layer, f"{name} has {len(tensor.scales)} scales, expected {len(expected.scales)}")
    scales, expected_scales = np.array(tensor.scales), np.array(expected.scales)
    first = int(np.flatnonzero(scales != expected_scales)[0])
    return Deviation(
        layer,
        f"{int((scales != expected_scales).sum())} of {len(scales)} scales of {name} differ, "
        f"first [{first}]: {scales[first]:.9g}, expected {expected_scales[first]:.9g}",
        bool(np.all(np.abs(scales - expected_scales) <= MAX_SCALE_CHANGE * np.abs(expected_scales))),
    )


def _compare_values(operator: Operator, tensor: Tensor, expected: Tensor) -> Iterator[Deviation]:
    values, expected_values = tensor.values, expected.values
    assert values is not None and expected_values is not None
    # As bytes: -0.0 differs from 0.0, and a NaN is equal to itself.
    value_bytes, expected_bytes = (v.reshape(-1, 1).view(np.uint8) for v in (values, expected_values))
    differs = (value_bytes != expected_bytes).any(axis=-1)
    if differs.any():
        first = np.unravel_index(int(differs.argmax()), values.shape)
        yield Deviation(
            operator.layer,
            f"{int(differs.sum())} of {differs.size} values of {_short_name(expected)} differ, "
            f"first {[int(i) for i in first]}: {values[first]:.9g}, expected {expected_values[first]:.9g}",
            _is_rounding(operator, tensor, expected, float(differs.mean())),
        )


def _is_rounding(operator: Operator, tensor: Tensor, expected: Tensor, share: float) -> bool:
    assert tensor.values is not None and expected.values is not None
    steps = np.abs(tensor.values.astype(np.float64) - expected.values).reshape(-1)
    if tensor.dtype == "INT8":
        return share <= MAX_KERNEL_SHARE and steps.max() <= MAX_KERNEL_STEPS
    is_bias = tensor.dtype in ("INT32", "INT64") and tensor.scales
    if is_bias and operator.outputs[0].scales:
        limit = MAX_BIAS_STEPS * operator.outputs[0].scales[0]
        return bool((steps * np.array(expected.scales)).max() <= limit)
    return False


def _short_name(tensor: Tensor) -> str:
    """Return the first of the joined names, without the model's, and the type."""
    return f"{tensor.name.split(';')[0].partition('/')[2] or tensor.name} {tensor.dtype}"


def _without_values(flatbuffer: bytes) -> Any:
    """Return a file's tree without the values that `_compare_tensors` has compared."""
    tree = read_tree(flatbuffer)
    graph = read_graph(flatbuffer)
    compared = {
        t.name
        for op in graph.operators
        for t in (*op.inputs, *op.outputs)
        if not t.stored or t.values is not None
    }
    for tensor in tree.subgraphs[0].tensors:
        if tensor.name.decode() in compared:
            tree.buffers[tensor.buffer].data = None
            if tensor.quantization is not None:
                tensor.quantization.scale = None
    return tree


def _first_difference(node: Any, expected: Any, path: str) -> str:
    """Return where two trees of schema objects first differ, with both values; empty if they are equal."""
    if type(node) is type(expected):
        if hasattr(expected, "__dict__"):
            names = vars(expected)
            pairs = ((getattr(node, n), getattr(expected, n), f"{path}.{n}".lstrip(".")) for n in names)
            return next(filter(None, (_first_difference(*pair) for pair in pairs)), "")
        if isinstance(expected, list) and len(node) == len(expected):
            pairs = ((a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(node, expected, strict=True)))
            return next(filter(None, (_first_difference(*pair) for pair in pairs)), "")
        if np.array_equal(node, expected):
            return ""
    return f"{path} is {node!s:.40}, expected {expected!s:.40}"
