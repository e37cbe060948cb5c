"""Which operators the Edge TPU and older interpreters support."""

from __future__ import annotations

TFLITE_RUNTIME_214 = {
    "ADD": 5,
    "AVERAGE_POOL_2D": 3,
    "BATCH_MATMUL": 4,
    "BROADCAST_TO": 3,
    "CAST": 5,
    "CONCATENATION": 4,
    "CONV_2D": 7,
    "DEPTHWISE_CONV_2D": 7,
    "DEPTH_TO_SPACE": 2,
    "DEQUANTIZE": 5,
    "DIV": 2,
    "FULLY_CONNECTED": 10,
    "GATHER": 6,
    "GELU": 2,
    "HARD_SWISH": 1,
    "LEAKY_RELU": 2,
    "LOGISTIC": 3,
    "MAXIMUM": 4,
    "MAX_POOL_2D": 3,
    "MEAN": 3,
    "MINIMUM": 4,
    "MUL": 7,
    "PACK": 4,
    "PAD": 4,
    "PADV2": 4,
    "PRELU": 1,
    "QUANTIZE": 3,
    "RELU": 3,
    "RELU6": 3,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 4,
    "RESIZE_NEAREST_NEIGHBOR": 4,
    "RSQRT": 2,
    "SHAPE": 1,
    "SLICE": 6,
    "SOFTMAX": 3,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 4,
    "SQUARED_DIFFERENCE": 2,
    "SQUEEZE": 2,
    "STRIDED_SLICE": 8,
    "SUB": 5,
    "SUM": 2,
    "TANH": 3,
    "TILE": 3,
    "TRANSPOSE": 6,
    "TRANSPOSE_CONV": 4,
}
"""Operator -> highest version that tflite-runtime 2.14.0 loads, measured with the library itself."""


EDGE_TPU_OPERATORS = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "LOGISTIC",
        "MAX_POOL_2D",
        "MEAN",
        "MUL",
        "PAD",
        "QUANTIZE",
        "RELU",
        "RELU6",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "SUB",
        "TANH",
        "TRANSPOSE_CONV",
    }
)
"""Operators that an Edge TPU maps for every shape of a network like ours.

An Edge TPU maps a few more under conditions. Other operators (TILE, BROADCAST_TO, TRANSPOSE, SHAPE, ...)
either stop the mapping, or move data that a better graph would not move.
"""
