"""Shape, type and quantization of an input or output tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the graph.

    Attributes:
        shape: shape with the batch axis.
        dtype: type of the values.
        scale: quantization step; 0 for a float tensor.
        zero_point: quantized value of 0; 0 for a float tensor.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int
