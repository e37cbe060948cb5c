"""Run a TFLite model on many pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.interpreter import Interpreter, load_interpreter
from edgecolor_runtime.inference.preprocess import input_table, to_real
from edgecolor_runtime.models.signature import INPUT_SHAPE


def run_pictures(interpreter: Interpreter, gray: U8) -> NDArray[Any]:
    """Gray pictures, uint8 (n, 224, 224), to the graph's raw outputs, int8 or float32 (n, 56, 56, 2)."""
    table = input_table(interpreter.input)
    return np.concatenate([interpreter(table[picture].reshape(INPUT_SHAPE)) for picture in gray])


def outputs(flatbuffer: bytes, gray: U8) -> F32:
    """What a TFLite file says to gray pictures, uint8 (n, 224, 224): float32 (n, 56, 56, 2) in [-1, 1]."""
    interpreter = load_interpreter(flatbuffer)
    return to_real(run_pictures(interpreter, gray), interpreter.output)
