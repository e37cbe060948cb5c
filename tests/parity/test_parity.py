"""The float network, the exported file and the device give the same outputs."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from edgecolor.evaluation.metrics import ab_difference, mean_chroma
from edgecolor.tflite.graph import FLOAT_TYPES, read_graph
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.interpreter import load_interpreter
from edgecolor_runtime.inference.preprocess import network_input, quantize, to_real
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SHAPE, OUTPUT_SHAPE

Exported = Callable[[str], ModelFile]
PRECISIONS = ["int8", "float32", "float16", "dynamic"]

TOLERANCE = {"int8": (1.5, 0.05), "float16": (0.1, 0.01)}  # mean ab difference in Lab units, chroma ratio

# Operators that an Edge TPU refuses, or that move data that a better graph would not move.
FORBIDDEN = {
    "TILE",
    "BROADCAST_TO",
    "TRANSPOSE",
    "SHAPE",
    "DEPTH_TO_SPACE",
    "SOFTMAX",
    "GATHER",
    "DEQUANTIZE",
}


def outputs(model: ModelFile, gray: U8) -> F32:
    return TfliteModel(model.flatbuffer).outputs(gray)


def test_float32_is_the_keras_network(exported: Exported, gray: U8, reference: F32) -> None:
    assert np.abs(outputs(exported("float32"), gray) - reference).max() < 1e-4
    assert reference.std() > 0.02, "outputs near zero would agree with everything"


@pytest.mark.parametrize("precision", TOLERANCE)
def test_the_other_precisions_color_like_the_keras_network(
    exported: Exported, gray: U8, reference: F32, precision: str
) -> None:
    ab = outputs(exported(precision), gray)
    apart, chroma = TOLERANCE[precision]
    assert ab_difference(ab * AB_SCALE, reference * AB_SCALE) < apart
    assert mean_chroma(ab) / mean_chroma(reference) == pytest.approx(1, abs=chroma)


def test_dynamic_range_keeps_float_ends_and_small_weights(exported: Exported) -> None:
    dynamic, whole = exported("dynamic"), exported("float32")
    graph = read_graph(dynamic.flatbuffer)
    assert [t.dtype for t in graph.inputs + graph.outputs] == ["FLOAT32", "FLOAT32"]
    assert len(dynamic.flatbuffer) < 0.5 * len(whole.flatbuffer)


def test_int8_has_no_mean_shift(exported: Exported, calibration_gray: U8, network: keras.Model) -> None:
    truth = np.asarray(network(network_input(calibration_gray), training=False))
    shift = (outputs(exported("int8"), calibration_gray) - truth).mean(axis=(0, 1, 2))
    assert np.abs(shift * AB_SCALE).max() < 0.05


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_colorizer_gives_the_outputs_of_the_interpreter(
    exported: Exported, gray: U8, precision: str
) -> None:
    model = exported(precision)
    colorizer = Colorizer(model)
    for picture, ab in zip(gray[:3], outputs(model, gray[:3]), strict=True):
        raw = colorizer.predict_raw(picture)
        np.testing.assert_array_equal(to_real(raw, colorizer.interpreter.output), ab)


def test_int8_input_is_quantized_with_the_models_own_scale(exported: Exported, gray: U8) -> None:
    model = TfliteModel(exported("int8").flatbuffer)
    entry = model.interpreter.input
    by_hand = quantize(network_input(gray[:1]), entry.scale, entry.zero_point)
    np.testing.assert_array_equal(model.interpreter(by_hand), model.raw_outputs(gray[:1]))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_golden_vectors_replay(exported: Exported, network: keras.Model, precision: str) -> None:
    model = exported(precision)
    golden = model.golden
    raw = TfliteModel(model.flatbuffer).raw_outputs(golden.gray)
    np.testing.assert_array_equal(raw, golden.exported)
    truth = np.asarray(network(network_input(golden.gray), training=False))
    assert np.abs(truth - golden.reference).max() < 1e-3  # float16 keeps 11 bits
    if precision == "int8":  # float outputs pack worse: often one picture is all that fits
        assert len(golden.gray) == 2
        assert golden.reference[0].mean() > golden.reference[1].mean()


def test_int8_graph_has_only_operators_of_the_edge_tpu_list(exported: Exported) -> None:
    graph = read_graph(exported("int8").flatbuffer)
    names = {op.name for op in graph.operators}
    assert not names & FORBIDDEN
    assert graph.unmapped_operators() == graph.float_operators() == graph.per_tensor_kernels() == []
    tensors = [t for op in graph.operators for t in op.inputs + op.outputs]
    assert not [t.name for t in tensors if t.dtype in FLOAT_TYPES or -1 in t.shape]
    assert [(t.dtype, t.shape) for t in graph.inputs + graph.outputs] == [
        ("INT8", INPUT_SHAPE),
        ("INT8", OUTPUT_SHAPE),
    ]
    assert graph.outputs[0].scales == (1 / 128,)
    assert 80e6 < graph.macs < 130e6


def test_the_files_hold_all_weights(exported: Exported, network: keras.Model) -> None:
    kernels = sum(int(np.prod(w.shape)) for w in network.weights if len(w.shape) > 1)
    for precision in PRECISIONS:
        assert read_graph(exported(precision).flatbuffer).stored_weights() >= kernels


def test_the_description_in_the_file(exported: Exported, network: keras.Model) -> None:
    info = exported("int8").info
    interpreter = load_interpreter(exported("int8").flatbuffer)
    assert info.calibration is not None and info.check is not None and info.fidelity is not None
    assert info.precision is Precision.INT8
    assert info.alpha == 0.25
    assert info.parameters == network.count_params()
    assert info.input.scale == interpreter.input.scale
    assert info.output.zero_point == interpreter.output.zero_point
    assert info.calibration.photographs == 21
    assert info.check.photographs == info.fidelity.pictures == 24
    assert info.fidelity.ab_difference <= 1.0
    assert len(info.calibration.manifest_sha256) == 64
    assert "tensorflow" in info.created_by
