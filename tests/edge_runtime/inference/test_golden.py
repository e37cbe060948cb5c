"""Golden vectors: they pass where the same is computed, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecolor_runtime import Colorizer, GateError, ModelFile, pack, parse, replay, verify_replay
from edgecolor_runtime.inference.golden import DELEGATED, FLOAT, ROUNDED, SAME, WHOLE, Limits
from edgecolor_runtime.models.info import Precision


class Answering:
    """Stands in for an interpreter: gives the exported outputs, changed."""

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


def answering(model: ModelFile, name: str, change: float, **info: Any) -> Colorizer:
    colorizer = Colorizer(model)
    if info.get("precision", Precision.INT8) is not Precision.INT8:
        model = replace(model, golden=replace(model.golden, exported=model.golden.reference))
    colorizer.model = replace(model, info=replace(model.info, **info))
    colorizer.interpreter = Answering(colorizer, name, change)
    return colorizer


def test_the_interpreter_here_computes_what_was_exported(tiny: ModelFile) -> None:
    found = replay(Colorizer(tiny, threads=2))
    verify_replay(found)
    assert found.pictures == len(tiny.golden.gray) and found.delegate is None
    if found.interpreter.startswith("ai-edge-litert "):
        assert (found.mean, found.p999, found.maximum) == (0, 0, 0) and found.limits == SAME


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
def test_what_is_allowed(tiny: ModelFile, name: str, info: dict[str, Any], limits: Limits) -> None:
    found = replay(answering(tiny, name, 0, **info))
    assert found.limits == limits and found.passed and found.maximum == 0


def test_an_accelerator_has_limits_of_its_own(tiny: ModelFile) -> None:
    colorizer = answering(tiny, "ai-edge-litert 2.3.0", 2)
    colorizer.delegate = "edgetpu"
    found = replay(colorizer)
    assert (found.limits, found.delegate, found.mean, found.passed) == (DELEGATED, "edgetpu", 2, True)


def test_one_step_is_too_much_for_litert_and_not_for_tflite_runtime(tiny: ModelFile) -> None:
    assert not replay(answering(tiny, "ai-edge-litert 2.3.0", 1)).passed
    assert replay(answering(tiny, "tflite-runtime 2.14.0", 1)).passed
    assert not replay(answering(tiny, "tflite-runtime 2.14.0", 2)).passed


def test_float_outputs_are_counted_in_the_same_steps(tiny: ModelFile) -> None:
    found = replay(answering(tiny, "ai-edge-litert 2.3.0", 1 / 64, precision=Precision.FLOAT32))
    assert found.mean == pytest.approx(2, rel=1e-3) and not found.passed
    assert replay(answering(tiny, "ai-edge-litert 2.3.0", 5e-6, precision=Precision.FLOAT32)).passed


def test_what_is_no_number_is_as_far_as_can_be(tiny: ModelFile) -> None:
    found = replay(answering(tiny, "ai-edge-litert 2.3.0", float("nan"), precision=Precision.FLOAT32))
    assert found.mean == found.maximum == WHOLE and not found.passed


def test_changed_golden_outputs_fail(tiny: ModelFile) -> None:
    exported = tiny.golden.exported.copy()
    exported[0, 3, 5, 1] ^= 1
    changed = parse(pack(tiny.flatbuffer, tiny.info, replace(tiny.golden, exported=exported)), "changed")
    found = replay(Colorizer(changed))
    if not found.interpreter.startswith("ai-edge-litert "):
        pytest.skip("tflite-runtime may differ by a step")
    assert found.maximum == 1
    with pytest.raises(GateError, match="does not compute what was exported") as caught:
        verify_replay(found)
    assert caught.value.exit_code == 3 and found.interpreter in str(caught.value)
