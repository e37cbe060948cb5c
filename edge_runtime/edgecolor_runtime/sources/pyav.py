"""The only module that imports PyAV; and the gray of a frame that it decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import MissingError

LIMITED_BLACK, LIMITED_LUMA, LIMITED_CHROMA = 16, 219, 224  # ITU-R BT.601-7, 2.5.3: black, and the two spans
LIMITED, FULL = 1, 2  # FFmpeg's numbers of the ranges, AVCOL_RANGE_MPEG and _JPEG

_INSTALL = "pip install 'edgecolor-runtime[live]' (32-bit Arm: apt install python3-av, of Debian 13 or later)"

# Luma among other samples: (first byte, bytes from one to the next).
_PACKED = {"yuyv422": (0, 2), "yvyu422": (0, 2), "uyvy422": (1, 2)}

_HIGH = ("p0", "p2", "p4")  # p010 and its like keep their bits at the upper end of 16

_EXPAND = np.clip(
    np.rint((np.arange(256) - LIMITED_BLACK) * (255 / LIMITED_LUMA)), 0, 255
).astype(np.uint8)  # fmt: skip


def load() -> Any:
    """PyAV.

    Raises:
        MissingError: It is not installed, or too old.
    """
    try:
        import av
    except ImportError as error:
        raise MissingError(f"video, V4L2 cameras and streams need PyAV: {_INSTALL} [{error}]") from error
    if not hasattr(av.VideoFrame, "rotation"):
        raise MissingError(f"PyAV {av.__version__} is too old for video; 14.2 is needed: {_INSTALL}")
    return av


def is_full_range(frame: Any) -> bool:
    """Whether 0 is black and 255 white in a decoded frame. YUV that does not say is limited, gray is not."""
    name: str = frame.format.name
    return (
        frame.color_range == FULL
        or name.startswith("yuvj")
        or (frame.color_range != LIMITED and (name.startswith("gray") or frame.format.is_rgb))
    )


def luma(frame: Any) -> Image.Image:
    """The gray of a decoded frame: its luma plane, mode L, full range; of RGB its BT.601 luma."""
    plane = _luma_plane(frame)
    if plane is None:
        rgb = Image.fromarray(frame.to_ndarray(format="rgb24"))
        return rgb.convert("L")
    return Image.fromarray(plane if is_full_range(frame) else _EXPAND[plane])


def _luma_plane(frame: Any) -> U8 | None:
    """Luma as it is stored, in 8 bits, shape (h, w); None where the format keeps none on its own."""
    form, width, height = frame.format, frame.width, frame.height
    if form.name in _PACKED:
        first, step = _PACKED[form.name]
        return _rows(frame.planes[0], np.uint8)[:height, first : first + step * width : step].copy()
    if form.is_rgb or form.has_palette or not (form.is_planar or form.name.startswith("gray")):
        return None
    bits: int = form.components[0].bits
    if bits == 8:
        return _rows(frame.planes[0], np.uint8)[:height, :width].copy()
    deep = _rows(frame.planes[0], np.dtype(">u2" if form.is_big_endian else "<u2"))[:height, :width]
    spare = 8 if form.name.startswith(_HIGH) else bits - 8
    rounded = (deep.astype(np.uint32) + (1 << spare - 1)) >> spare
    narrow: U8 = np.minimum(rounded, 255).astype(np.uint8)
    return narrow


def _rows(plane: Any, kind: Any) -> NDArray[Any]:
    samples = np.frombuffer(plane, kind)
    return samples.reshape(-1, plane.line_size // samples.itemsize)
