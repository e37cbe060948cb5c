"""Two exports of one network, value by value: a wrong bit is named, rounding of another processor passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from edgecolor.checking.export_diff import MIN_ROUNDING_PLACES, compare_exports, only_rounding
from edgecolor.tflite.graph import read_tree
from edgecolor_runtime import read_shipped

INT8 = TensorType.INT8
Flip = Callable[[bytes, str, int, int, int], bytes]


@pytest.fixture(scope="module")
def shipped() -> bytes:
    return read_shipped("s").flatbuffer


def changed(flatbuffer: bytes, change: Callable[[Any], None]) -> bytes:
    """Return the network with a change in its flatbuffer."""
    tree = read_tree(flatbuffer)
    change(tree)
    builder = flatbuffers.Builder(len(flatbuffer))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def rewritten(shipped: bytes) -> bytes:
    return changed(shipped, lambda tree: None)


def test_the_same_bytes_have_no_deviation(shipped: bytes) -> None:
    assert compare_exports(shipped, bytes(shipped)) == []


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize(
    ("layer", "of", "byte", "text"),
    [
        ("conv_dw_5", 1, 130, "1 of 576 values of"),
        (
            "fusion_global",
            1,
            0,
            "1 of 32768 values of fusion_global_1/convolution INT8 differ, first [0, 0, 0",
        ),
        ("conv1", 2, 8, "1 of 8 values of conv1_relu_1/Relu6 INT32 differ, first [2]"),
        ("ab_conv", 2, 4, "1 of 2 values of ab_conv_1/BiasAdd INT32 differ, first [1]"),
    ],
)
def test_one_bit_is_named(
    shipped: bytes, flip: Flip, layer: str, of: int, byte: int, text: str, bit: int
) -> None:
    (deviation,) = deviations = compare_exports(flip(shipped, layer, of, byte, bit), shipped)
    assert deviation.layer == layer and text in deviation.text and ", expected " in deviation.text
    assert not only_rounding(deviations), "one wrong bit is never another processor"


def test_small_differences_in_many_layers_are_another_processors(shipped: bytes, flip: Flip) -> None:
    layers = ["conv1", "conv_pw_5", "fusion_16", "decoder_4a_pw", "ab_conv"]
    assert len(layers) > MIN_ROUNDING_PLACES
    other = shipped
    for count, layer in enumerate(layers, 1):
        other = flip(other, layer, 2, 0, 0)  # a bias, by one of its fine steps
        assert only_rounding(compare_exports(other, shipped)) == (count >= MIN_ROUNDING_PLACES)
    other = flip(other, "fusion_8", 1, 9, 0)  # a kernel, by one step
    assert only_rounding(compare_exports(other, shipped))
    other = flip(other, "fusion_32", 1, 9, 6)  # by 64 steps
    deviations = compare_exports(other, shipped)
    assert not only_rounding(deviations)
    assert [d.layer for d in deviations if not d.rounding] == ["fusion_32"]


def scale(tree: Any) -> None:
    quantization = tree.subgraphs[0].tensors[tree.subgraphs[0].operators[1].outputs[0]].quantization
    quantization.scale = quantization.scale * 2


def zero_point(tree: Any) -> None:
    tree.subgraphs[0].tensors[tree.subgraphs[0].outputs[0]].quantization.zeroPoint = [3]


def stride(tree: Any) -> None:
    tree.subgraphs[0].operators[2].builtinOptions.strideW = 3


def version(tree: Any) -> None:
    tree.operatorCodes[0].version += 1


def order(tree: Any) -> None:
    operators = tree.subgraphs[0].operators
    operators[0], operators[1] = operators[1], operators[0]


def description(tree: Any) -> None:
    tree.description = b"another"


@pytest.mark.parametrize(
    ("change", "layer", "text"),
    [
        (scale, "conv_dw_1", "1 of 1 scales of conv_dw_1_relu_1/Relu6 INT8 differ, first [0]: "),
        (zero_point, "Identity", "zero point of Identity INT8 is 3, expected 0"),
        (stride, "none", "subgraphs[0].operators[2].builtinOptions.strideW is 3, expected 1"),
        (version, "conv1", "operator 0 is CONV_2D version 4, expected CONV_2D version 3"),
        (order, "conv1", "operator 0 is DEPTHWISE_CONV_2D version 3, expected CONV_2D version 3"),
        (description, "none", "description is b'another'"),
    ],
)
def test_all_other_fields_are_compared_too(
    shipped: bytes, rewritten: bytes, change: Callable[[Any], None], layer: str, text: str
) -> None:
    deviations = compare_exports(changed(shipped, change), rewritten)
    assert deviations[0].layer == layer and text in deviations[0].text
    assert not only_rounding(deviations)


def test_bytes_that_nothing_uses_are_compared_too(rewritten: bytes) -> None:
    (deviation,) = compare_exports(rewritten + b"\0", rewritten)
    assert "bytes that no tensor or operator uses" in deviation.text


def test_a_kernel_rounded_otherwise_throughout_is_not_another_processors(shipped: bytes) -> None:
    def nudge(tree: Any) -> None:
        graph = tree.subgraphs[0]
        for tensor in graph.tensors:
            buffer = tree.buffers[tensor.buffer]
            if tensor.type == INT8 and buffer.data is not None:
                kernel = np.array(buffer.data).view(np.int8)
                kernel[::4] -= np.sign(kernel[::4])
                buffer.data = kernel.view(np.uint8)

    assert not only_rounding(compare_exports(changed(shipped, nudge), shipped))
