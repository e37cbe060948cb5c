"""Bias correction: remove the mean shift that int8 quantization puts into a network's output.

Rounding weights and activations moves the mean of the ab output by up to one Lab unit, which shows as a tint
over every picture. The int32 biases of the last convolution have steps of about 0.0005 Lab units, and
changing them removes the shift. After Nagel et al., "Data-Free Quantization Through Weight Equalization and
Bias Correction", 2019 (arXiv:1906.04721), section 4.2, with measured means instead of derived ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecolor.exporting.stages import Converted, Corrected
from edgecolor.tflite.graph import find_bias
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.models.info import Precision

_PASSES = 2  # the second pass removes what the curvature of tanh left after the first


def correct(converted: Converted, gray: U8) -> Corrected:
    """Correct the output biases of an int8 file and of its halves. Other precisions stay as they are.

    Args:
        converted: the converted network.
        gray: uint8 (n, 224, 224), the calibration pictures.
    """
    model, halves = converted.model, converted.halves
    if converted.precision is Precision.INT8:
        reference = converted.source.reference
        model = correct_model(model, gray, reference)
        halves = tuple(
            correct_model(half, gray[start::2], reference[start::2]) for start, half in enumerate(halves)
        )
    return Corrected(
        model=model,
        source=converted.source,
        precision=converted.precision,
        float_layers=converted.float_layers,
        halves=halves,
    )


def correct_model(model: TfliteModel, gray: U8, reference: F32) -> TfliteModel:
    """Return an int8 file whose mean output over some pictures is that of the float network.

    Args:
        model: an int8 file.
        gray: uint8 (n, 224, 224).
        reference: float32 (n, 56, 56, 2) in [-1, 1], the outputs of the float network for these pictures.
    """
    for _ in range(_PASSES):
        model = TfliteModel(correct_output_bias(model.flatbuffer, model.outputs(gray), reference))
    return model


def correct_output_bias(flatbuffer: bytes, outputs: F32, reference: F32) -> bytes:
    """Change the biases of the convolution before the tanh so that the mean output fits the reference.

    Args:
        flatbuffer: an int8 TFLite file that ends in convolution, tanh.
        outputs: its dequantized outputs for some pictures, float32 (n, 56, 56, 2) in [-1, 1].
        reference: the outputs of the float network for the same pictures.

    Returns:
        The corrected file; the file as it was if its graph ends in other operators.
    """
    data = bytearray(flatbuffer)
    bias = find_bias(data, ("TANH", "CONV_2D"))
    if bias is None:
        return flatbuffer
    values, scales = bias
    pixels = (0, 1, 2)
    shift = (outputs - reference).mean(axis=pixels, dtype=np.float64)
    slope = (1 - reference.astype(np.float64) ** 2).mean(axis=pixels)  # of tanh, at the network's outputs
    steps: NDArray[np.int32] = np.rint(-shift / slope / scales).astype(np.int32)
    values += steps  # a view into `data`
    return bytes(data)
