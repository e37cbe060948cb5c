"""Every stored value of an exported file against the same export made again from its reference.

The export is deterministic: on one kind of processor the same network and pictures give the same bytes, and
one wrong bit is a difference that is named with its layer. Another kind of processor sums in another order.
That leaves float files as they are, but the joint rounding of int8 kernels amplifies it. With oneDNN and
OpenBLAS held to SSE4 (`ONEDNN_MAX_CPU_ISA`, `OPENBLAS_CORETYPE`) the small model differs in 42 places:
kernels in up to 2 % of their values, by up to 5 steps, scales by 0.013 %, biases by less than 4 steps of
their convolution's output. So small differences, in several places at once, are told and let pass; one wrong
byte lies in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecolor.tflite.graph import Operator, Tensor, read_graph, read_tree

SPREAD = 4  # places that differ, at least, where another processor is taken for the reason
KERNEL_STEPS = 8
KERNEL_SHARE = 0.05
SCALE_CHANGE = 1e-3
BIAS_STEPS = 4  # of the convolution's output


@dataclass(frozen=True)
class Deviation:
    """A difference between the file and the export made again.

    Attributes:
        layer: the Keras layer.
        text: what differs, how often, where first, found and expected.
        rounding: whether another processor's arithmetic may be the reason.
    """

    layer: str
    text: str
    rounding: bool = False


def compare_exports(stored: bytes, remade: bytes) -> list[Deviation]:
    """Compares two flatbuffers of one network: operators and their options, tensors and their stored values.

    Returns:
        What differs, in the order of the operators; empty if and only if the bytes are the same.

    Raises:
        ModelFileError: one of them is broken.
    """
    if stored == remade:
        return []
    found, wanted = read_graph(stored).operators, read_graph(remade).operators
    names = [[(op.name, op.version) for op in operators] for operators in (found, wanted)]
    if names[0] != names[1]:
        return [_other_operators(found, wanted)]
    seen: set[int] = set()
    deviations = []
    for operator, twin in zip(found, wanted, strict=True):
        ours, theirs = ((*op.inputs, *op.outputs) for op in (operator, twin))
        if len(ours) != len(theirs):
            deviations.append(
                Deviation(twin.layer, f"{operator.name} has {len(ours)} tensors, expected {len(theirs)}")
            )
            continue
        for tensor, other in zip(ours, theirs, strict=True):
            if id(tensor) not in seen:
                deviations += _compare(twin, tensor, other)
            seen.add(id(tensor))
    rest = _first_difference(_without_values(stored), _without_values(remade), "")
    if rest or not deviations:
        deviations.append(Deviation("none", rest or "bytes that no tensor or operator uses differ"))
    return deviations


def only_rounding(deviations: Sequence[Deviation]) -> bool:
    """Whether another processor's arithmetic explains all: small differences, in several layers."""
    return all(d.rounding for d in deviations) and len(deviations) >= SPREAD


def _other_operators(found: tuple[Operator, ...], wanted: tuple[Operator, ...]) -> Deviation:
    pairs = zip(found, wanted, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if (a.name, a.version) != (b.name, b.version)), None)
    if at is None:
        return Deviation("none", f"{len(found)} operators, expected {len(wanted)}")
    ours, theirs = found[at], wanted[at]
    return Deviation(
        theirs.layer,
        f"operator {at} is {ours.name} version {ours.version}, "
        f"expected {theirs.name} version {theirs.version}",
    )


def _compare(operator: Operator, found: Tensor, wanted: Tensor) -> Iterator[Deviation]:
    layer = operator.layer
    for what in ("shape", "dtype", "zero_point", "stored"):
        ours, theirs = getattr(found, what), getattr(wanted, what)
        if ours != theirs:
            yield Deviation(
                layer, f"{what.replace('_', ' ')} of {_short(wanted)} is {ours}, expected {theirs}"
            )
            return
    if found.scales != wanted.scales:
        yield _scales(layer, found, wanted)
    if found.values is not None and wanted.values is not None:
        yield from _values(operator, found, wanted)


def _scales(layer: str, found: Tensor, wanted: Tensor) -> Deviation:
    if len(found.scales) != len(wanted.scales):
        return Deviation(
            layer, f"{_short(wanted)} has {len(found.scales)} scales, expected {len(wanted.scales)}"
        )
    ours, theirs = np.array(found.scales), np.array(wanted.scales)
    first = int(np.flatnonzero(ours != theirs)[0])
    return Deviation(
        layer,
        f"{int((ours != theirs).sum())} of {len(ours)} scales of {_short(wanted)} differ, "
        f"first [{first}]: {ours[first]:.9g}, expected {theirs[first]:.9g}",
        bool(np.all(np.abs(ours - theirs) <= SCALE_CHANGE * np.abs(theirs))),
    )


def _values(operator: Operator, found: Tensor, wanted: Tensor) -> Iterator[Deviation]:
    ours, theirs = found.values, wanted.values
    assert ours is not None and theirs is not None
    # As bytes: -0.0 is not 0.0 here, and a NaN is itself.
    differ = (ours.reshape(-1, 1).view(np.uint8) != theirs.reshape(-1, 1).view(np.uint8)).any(axis=-1)
    if differ.any():
        at = np.unravel_index(int(differ.argmax()), ours.shape)
        yield Deviation(
            operator.layer,
            f"{int(differ.sum())} of {differ.size} values of {_short(wanted)} differ, "
            f"first {[int(i) for i in at]}: {ours[at]:.9g}, expected {theirs[at]:.9g}",
            _is_rounding(operator, found, wanted, float(differ.mean())),
        )


def _is_rounding(operator: Operator, found: Tensor, wanted: Tensor, share: float) -> bool:
    assert found.values is not None and wanted.values is not None
    off = np.abs(found.values.astype(np.float64) - wanted.values).reshape(-1)
    if found.dtype == "INT8":
        return share <= KERNEL_SHARE and off.max() <= KERNEL_STEPS
    is_bias = found.dtype in ("INT32", "INT64") and found.scales
    if is_bias and operator.outputs[0].scales:
        return bool((off * np.array(wanted.scales)).max() <= BIAS_STEPS * operator.outputs[0].scales[0])
    return False


def _short(tensor: Tensor) -> str:
    """The first of the joined names, without the model's."""
    return f"{tensor.name.split(';')[0].partition('/')[2] or tensor.name} {tensor.dtype}"


def _without_values(flatbuffer: bytes) -> Any:
    """A file's tree without what `_compare` has looked at."""
    tree = read_tree(flatbuffer)
    read = read_graph(flatbuffer)
    known = {
        t.name
        for op in read.operators
        for t in (*op.inputs, *op.outputs)
        if not t.stored or t.values is not None
    }
    for tensor in tree.subgraphs[0].tensors:
        if tensor.name.decode() in known:
            tree.buffers[tensor.buffer].data = None
            if tensor.quantization is not None:
                tensor.quantization.scale = None
    return tree


def _first_difference(found: Any, wanted: Any, where: str) -> str:
    """Where two trees of schema objects first differ, with both values; empty if nowhere."""
    if type(found) is type(wanted):
        if hasattr(wanted, "__dict__"):
            keys = vars(wanted)
            pairs = ((getattr(found, k), getattr(wanted, k), f"{where}.{k}".lstrip(".")) for k in keys)
            return next(filter(None, (_first_difference(*pair) for pair in pairs)), "")
        if isinstance(wanted, list) and len(found) == len(wanted):
            pairs = ((a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(found, wanted, strict=True)))
            return next(filter(None, (_first_difference(*pair) for pair in pairs)), "")
        if np.array_equal(found, wanted):
            return ""
    return f"{where} is {found!s:.40}, expected {wanted!s:.40}"
