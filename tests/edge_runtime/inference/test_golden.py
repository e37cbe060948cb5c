"""Golden vectors pass exactly if the outputs are reproduced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecolor_runtime import Colorizer, GateError, ModelFile, pack, parse, replay, verify_replay
from edgecolor_runtime.inference.golden import DELEGATED, FLOAT, MAX_STEPS, ROUNDED, SAME, ReplayLimits
from edgecolor_runtime.models.info import Precision


class FakeInterpreter:
    """An interpreter that returns the exported outputs with a change."""

    def __init__(self, colorizer: Colorizer, name: str, change: float) -> None:
        self.name = name
        self.input, self.output = colorizer.interpreter.input, colorizer.interpreter.output
        self._answers = iter(colorizer.model.golden.exported)
        self._change = change

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        answer: NDArray[Any] = next(self._answers)[None]
        if answer.dtype == np.int8:
            return (answer.astype(int) + int(self._change)).clip(-128, 127).astype(np.int8)
        changed: NDArray[Any] = np.add(answer, np.float32(self._change))
        return changed


def colorizer_with(model: ModelFile, name: str, change: float, **info: Any) -> Colorizer:
    colorizer = Colorizer(model)
    if info.get("precision", Precision.INT8) is not Precision.INT8:
        model = replace(model, golden=replace(model.golden, exported=model.golden.reference))
    colorizer.model = replace(model, info=replace(model.info, **info))
    colorizer.interpreter = FakeInterpreter(colorizer, name, change)
    return colorizer


def test_the_interpreter_here_reproduces_the_exported_outputs(tiny: ModelFile) -> None:
    result = replay(Colorizer(tiny, threads=2))
    verify_replay(result)
    assert result.pictures == len(tiny.golden.gray) and result.delegate is None
    if result.interpreter.startswith("ai-edge-litert "):
        assert (result.mean, result.p999, result.maximum) == (0, 0, 0) and result.limits == SAME


@pytest.mark.parametrize(
    ("name", "info", "limits"),
    [
        ("ai-edge-litert 2.3.0", {}, SAME),
        ("tflite-runtime 2.14.0", {}, ROUNDED),
        ("ai-edge-litert 2.3.0", {"float_layers": ("fusion_16",)}, ROUNDED),
        ("ai-edge-litert 2.3.0", {"precision": Precision.DYNAMIC}, ROUNDED),
        ("tflite-runtime 2.14.0", {"precision": Precision.FLOAT16}, FLOAT),
    ],
)
def test_limits(tiny: ModelFile, name: str, info: dict[str, Any], limits: ReplayLimits) -> None:
    result = replay(colorizer_with(tiny, name, 0, **info))
    assert result.limits == limits and result.passed and result.maximum == 0


def test_an_accelerator_has_its_own_limits(tiny: ModelFile) -> None:
    colorizer = colorizer_with(tiny, "ai-edge-litert 2.3.0", 2)
    colorizer.delegate = "edgetpu"
    result = replay(colorizer)
    assert (result.limits, result.delegate, result.mean, result.passed) == (DELEGATED, "edgetpu", 2, True)


def test_one_step_is_too_much_for_litert_and_not_for_tflite_runtime(tiny: ModelFile) -> None:
    assert not replay(colorizer_with(tiny, "ai-edge-litert 2.3.0", 1)).passed
    assert replay(colorizer_with(tiny, "tflite-runtime 2.14.0", 1)).passed
    assert not replay(colorizer_with(tiny, "tflite-runtime 2.14.0", 2)).passed


def test_float_outputs_are_counted_in_the_same_steps(tiny: ModelFile) -> None:
    result = replay(colorizer_with(tiny, "ai-edge-litert 2.3.0", 1 / 64, precision=Precision.FLOAT32))
    assert result.mean == pytest.approx(2, rel=1e-3) and not result.passed
    assert replay(colorizer_with(tiny, "ai-edge-litert 2.3.0", 5e-6, precision=Precision.FLOAT32)).passed


def test_an_output_that_is_not_a_number_counts_as_the_largest_difference(tiny: ModelFile) -> None:
    result = replay(colorizer_with(tiny, "ai-edge-litert 2.3.0", float("nan"), precision=Precision.FLOAT32))
    assert result.mean == result.maximum == MAX_STEPS and not result.passed


def test_changed_golden_outputs_fail(tiny: ModelFile) -> None:
    exported = tiny.golden.exported.copy()
    exported[0, 3, 5, 1] ^= 1
    changed = parse(pack(tiny.flatbuffer, tiny.info, replace(tiny.golden, exported=exported)), "changed")
    result = replay(Colorizer(changed))
    if not result.interpreter.startswith("ai-edge-litert "):
        pytest.skip("tflite-runtime may differ by a step")
    assert result.maximum == 1
    with pytest.raises(GateError, match="does not reproduce the exported outputs") as caught:
        verify_replay(result)
    assert caught.value.exit_code == 3 and result.interpreter in str(caught.value)
