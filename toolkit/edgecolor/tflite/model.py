"""A TFLite model in memory: its flatbuffer, its graph and an interpreter that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.tflite.graph import Graph, read_graph
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.interpreter import Interpreter, load_interpreter
from edgecolor_runtime.inference.preprocess import build_input_table, to_real
from edgecolor_runtime.models.signature import INPUT_SHAPE


@dataclass(frozen=True, eq=False)
class TfliteModel:
    """A TFLite flatbuffer. The graph is parsed and the interpreter is loaded once, on first use."""

    flatbuffer: bytes

    @cached_property
    def graph(self) -> Graph:
        """The tensors and operators, as `read_graph` returns them."""
        return read_graph(self.flatbuffer)

    @cached_property
    def interpreter(self) -> Interpreter:
        """An interpreter on one CPU thread."""
        return load_interpreter(self.flatbuffer)

    def raw_outputs(self, gray: U8) -> NDArray[Any]:
        """Run the model on gray pictures, one at a time.

        Args:
            gray: uint8 (n, 224, 224).

        Returns:
            The outputs as the graph gives them, int8 or float32 (n, 56, 56, 2).
        """
        table = build_input_table(self.interpreter.input)
        return np.concatenate([self.interpreter(table[picture].reshape(INPUT_SHAPE)) for picture in gray])

    def outputs(self, gray: U8) -> F32:
        """Run the model on gray pictures, uint8 (n, 224, 224).

        Returns:
            The dequantized outputs, float32 (n, 56, 56, 2) in [-1, 1].
        """
        return to_real(self.raw_outputs(gray), self.interpreter.output)
