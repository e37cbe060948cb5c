"""Convert pictures to network input and network output to numbers, for training, checking and the device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8
from edgecolor_runtime.inference.tensor import TensorInfo
from edgecolor_runtime.models.signature import CHROMA_STRIDE, INPUT_SIZE

NETWORK_INPUT: F32 = (LIGHTNESS_OF_LUMA / 50 - 1).astype(np.float32)
"""Network input in [-1, 1] for each 8-bit luma, shape (256,)."""


def squash(gray: Image.Image, size: int = INPUT_SIZE) -> U8:
    """Scale a picture of mode L to the square that the network sees, shape (size, size).

    The aspect ratio is not kept, because a letterbox halves the PSNR gain on wide frames. The filter is
    Pillow's antialiased bilinear filter after a box reduction by whole numbers, which takes half the time on
    a 720p frame.
    """
    if gray.size != (size, size):
        gray = gray.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=1.0)
    return np.asarray(gray, dtype=np.uint8)


def block_mean(plane: NDArray[np.generic], stride: int = CHROMA_STRIDE) -> F32:
    """Return the mean over stride x stride blocks: (..., H, W) to (..., H / stride, W / stride)."""
    # Sums of strided views are four times faster than numpy's mean over two short axes.
    rows: F32 = plane[..., ::stride, :].astype(np.float32)
    for row in range(1, stride):
        rows += plane[..., row::stride, :].astype(np.float32)
    mean = rows[..., ::stride].copy()
    for column in range(1, stride):
        mean += rows[..., column::stride]
    return mean * np.float32(1 / stride**2)


def quantize(values: F32, scale: float, zero_point: int) -> NDArray[np.int8]:
    """Convert real values to int8: round(value / scale) + zero_point, limited to [-128, 127]."""
    steps: NDArray[np.int8] = np.clip(np.rint(values / scale) + zero_point, -128, 127).astype(np.int8)
    return steps


def dequantize(values: NDArray[np.int8], scale: float, zero_point: int) -> F32:
    """Convert int8 to real values: (value - zero_point) * scale."""
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def build_input_table(tensor: TensorInfo) -> NDArray[Any]:
    """Return the value of the graph's input for each 8-bit luma: int8 or float32, shape (256,)."""
    if tensor.dtype == np.float32:
        return NETWORK_INPUT
    return quantize(NETWORK_INPUT, tensor.scale, tensor.zero_point)


def to_real(raw: NDArray[Any], output: TensorInfo) -> F32:
    """Convert raw outputs of the graph to float32 in [-1, 1], same shape."""
    return raw if output.dtype == np.float32 else dequantize(raw, output.scale, output.zero_point)


def network_input(gray: U8) -> F32:
    """Convert 8-bit luma (n, 224, 224) to the float network's input, float32 (n, 224, 224, 1) in [-1, 1]."""
    return NETWORK_INPUT[gray][..., None]
