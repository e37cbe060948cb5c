"""Bias correction: takes out of an int8 file the mean shift that quantization put into its output.

Rounding weights and activations moves the mean of the ab output by up to a Lab unit, which shows as a tint
over every picture. The last convolution's int32 biases, with steps of about 0.0005 Lab units, take it back.
After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019
(arXiv:1906.04721), section 4.2, with measured means instead of derived ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecolor.tflite.graph import find_bias
from edgecolor.tflite.runner import outputs
from edgecolor_runtime.colors.spaces import F32, U8

_PASSES = 2  # the second takes what the tanh's curvature left of the first


def correct_output(flatbuffer: bytes, gray: U8, reference: F32) -> bytes:
    """An int8 file whose mean output over some pictures is the float network's.

    Args:
        flatbuffer: an int8 TFLite file.
        gray: uint8 (n, 224, 224).
        reference: float32 (n, 56, 56, 2) in [-1, 1], the float network's outputs for them.
    """
    for _ in range(_PASSES):
        flatbuffer = correct_output_bias(flatbuffer, outputs(flatbuffer, gray), reference)
    return flatbuffer


def correct_output_bias(flatbuffer: bytes, exported: F32, reference: F32) -> bytes:
    """The same file with other biases in the convolution before the tanh.

    Args:
        flatbuffer: an int8 TFLite file that ends in convolution, tanh.
        exported: its dequantized outputs for some pictures, float32 (n, 56, 56, 2) in [-1, 1].
        reference: the float network's outputs for the same pictures.

    Returns:
        The corrected file; the given one where the graph ends otherwise.
    """
    data = bytearray(flatbuffer)
    bias = find_bias(data, ("TANH", "CONV_2D"))
    if bias is None:
        return flatbuffer
    values, scales = bias
    pixels = (0, 1, 2)
    shift = (exported - reference).mean(axis=pixels, dtype=np.float64)
    slope = (1 - reference.astype(np.float64) ** 2).mean(axis=pixels)  # of tanh, where the network works
    steps: NDArray[np.int32] = np.rint(-shift / slope / scales).astype(np.int32)
    values += steps  # a view into `data`
    return bytes(data)
