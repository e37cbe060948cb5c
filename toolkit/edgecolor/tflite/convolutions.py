"""Read the convolutions of a TFLite file: kernels and biases, dequantized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.tflite.graph import _names, _operator_name, _schema, read_graph
from edgecolor_runtime.errors import ModelFileError


@dataclass(frozen=True)
class Convolution:
    """The dequantized values of a convolution.

    Attributes:
        depthwise: whether each channel has a kernel of its own.
        kernel: float32 in the order of the file: (out, h, w, in), or (1, h, w, out) for a depthwise one.
        bias: float32 (out,).
    """

    depthwise: bool
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_convolutions(flatbuffer: bytes) -> list[Convolution]:
    """Return the convolutions of a TFLite file, dequantized, in the order in which they run.

    Raises:
        ModelFileError: not a TFLite flatbuffer, or a convolution without a stored 8-bit kernel and bias.
    """
    read_graph(flatbuffer)  # reports what is wrong with a broken file
    model = _schema().ModelT.InitFromPackedBuf(flatbuffer, 0)
    sub = model.subgraphs[0]
    convolutions = []
    for op in sub.operators:
        name = _operator_name(model.operatorCodes[op.opcodeIndex])
        if name not in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
            continue
        stored = [_dequantized(sub.tensors[i], model.buffers) for i in op.inputs[1:] if i >= 0]
        if len(stored) != 2:
            raise ModelFileError(f"The TFLite file has a {name} without a bias.")
        convolutions.append(Convolution(name == "DEPTHWISE_CONV_2D", *stored))
    return convolutions


def _dequantized(tensor: Any, buffers: Any) -> NDArray[np.float32]:
    kind = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32}.get(_names("TensorType")[tensor.type])
    data, quantization = buffers[tensor.buffer].data, tensor.quantization
    if kind is None or data is None or quantization is None or quantization.scale is None:
        raise ModelFileError(f"The TFLite file's {tensor.name.decode()} is not a stored integer tensor.")
    values = np.frombuffer(bytes(data), dtype=kind).reshape(tensor.shape).astype(np.float64)
    # Scales per channel lie along the quantized dimension; a single scale broadcasts.
    shape = [1] * values.ndim
    if len(quantization.scale) > 1:
        shape[quantization.quantizedDimension] = -1
    scale, zero = (
        np.asarray(v, dtype=np.float64).reshape(shape) for v in (quantization.scale, quantization.zeroPoint)
    )
    return np.asarray((values - zero) * scale, dtype=np.float32)
