"""PyAV, and the gray of a frame that it decoded. This is the only module that imports PyAV."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.source_colors import SourceColors
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import MissingError
from edgecolor_runtime.media.gray_levels import GrayLevels
from edgecolor_runtime.system.commands import pip_install

# ITU-R BT.601-7, 2.5.3: black, and the spans of luma and chroma in limited range.
LIMITED_BLACK = 16
LIMITED_LUMA = 219
LIMITED_CHROMA = 224

# FFmpeg's numbers of the ranges, AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG.
LIMITED = 1
FULL = 2

_PACKED = {"yuyv422": (0, 2), "yvyu422": (0, 2), "uyvy422": (1, 2)}
"""Formats with luma among other samples: first byte of luma, and bytes from one luma sample to the next."""

_PLANAR = frozenset(f"yuv{j}{sampling}p" for j in ("", "j") for sampling in ("420", "422", "444"))
"""Formats whose chroma planes are taken as they are."""

# FFmpeg's numbers of the matrices, AVCOL_SPC_BT709 and AVCOL_SPC_UNSPECIFIED. HD without a number is BT.709.
_BT709 = 1
_UNSPECIFIED = 2
_HD_HEIGHT = 720

_HIGH_BITS = ("p0", "p2", "p4")
"""How the names of p010 and similar formats start: they keep their bits at the upper end of 16."""

_EXPAND_LUMA = np.clip(
    np.rint((np.arange(256) - LIMITED_BLACK) * (255 / LIMITED_LUMA)), 0, 255
).astype(np.uint8)  # fmt: skip
"""Limited-range luma to full range, shape (256,)."""


def load() -> Any:
    """Import PyAV and return it.

    Raises:
        MissingError: PyAV is not installed, or too old.
    """
    try:
        import av
    except ImportError as error:
        raise MissingError(f"video, cameras and streams need PyAV. {_install_hint()} [{error}]") from error
    if not hasattr(av.VideoFrame, "rotation"):
        raise MissingError(
            f"PyAV {av.__version__} is too old for video; it needs 14.2 or later. {_install_hint()}"
        )
    return av


def local_file(path: Path) -> str:
    """Return the name of a file for FFmpeg, which takes what precedes a colon for a protocol."""
    return str(path.absolute())


def _install_hint() -> str:
    if sys.maxsize < 1 << 32:  # no wheels
        return "On Debian 13 or later, install it with: sudo apt install python3-av"
    return f"Install it with: {pip_install('av>=14.2')}"


def is_full_range(frame: Any) -> bool:
    """Return whether 0 is black and 255 white in a decoded frame.

    A YUV frame that does not specify its range is limited; a gray or RGB frame is not.
    """
    name: str = frame.format.name
    return (
        frame.color_range == FULL
        or name.startswith("yuvj")
        or (frame.color_range != LIMITED and (name.startswith("gray") or frame.format.is_rgb))
    )


def extract_luma(frame: Any, levels: GrayLevels | None = None, seconds: float = 0.0) -> Image.Image:
    """Return the luma plane of a decoded frame, mode L, full range; for RGB its BT.601 luma.

    Args:
        frame: PyAV's frame.
        levels: which samples of deep gray become black and white; None: the range of their type.
        seconds: when the frame was taken, for `levels`.
    """
    bits = frame.format.components[0].bits
    if levels is not None and bits > 8 and frame.format.name.startswith("gray") and bits <= 16:
        deep = _deep_samples(frame).astype(np.uint16)
        return Image.fromarray(levels.scale(deep, (1 << bits) - 1, seconds))
    if levels is not None:
        levels.pass_by()
    plane = _luma_plane(frame)
    if plane is None:
        rgb = Image.fromarray(frame.to_ndarray(format="rgb24"))
        return rgb.convert("L")
    return Image.fromarray(plane if is_full_range(frame) else _EXPAND_LUMA[plane])


def extract_colors(frame: Any) -> SourceColors | None:
    """Return the chroma of a decoded frame; None if its format has no colors."""
    name: str = frame.format.name
    if name.startswith("gray") or name in ("monow", "monob"):
        return None
    bt709 = frame.colorspace == _BT709 or (frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT)
    if name in _PLANAR and frame.height > 1 and frame.width > 1:
        cb, cr = (
            Image.fromarray(_rows(plane, np.uint8)[: plane.height, : plane.width].copy())
            for plane in frame.planes[1:3]
        )
        return SourceColors(cb, cr, limited=not is_full_range(frame), bt709=bt709)
    converted = frame.reformat(format="yuv420p")
    colors = extract_colors(converted) if converted.format.name in _PLANAR else None
    return None if colors is None else replace(colors, bt709=False if frame.format.is_rgb else bt709)


def _luma_plane(frame: Any) -> U8 | None:
    """Return luma as it is stored, in 8 bits, shape (h, w); None if the format has no luma plane."""
    pixel_format, width, height = frame.format, frame.width, frame.height
    if pixel_format.name in _PACKED:
        first, step = _PACKED[pixel_format.name]
        return _rows(frame.planes[0], np.uint8)[:height, first : first + step * width : step].copy()
    is_gray = pixel_format.name.startswith("gray")
    if pixel_format.is_rgb or pixel_format.has_palette or not (pixel_format.is_planar or is_gray):
        return None
    bits: int = pixel_format.components[0].bits
    if bits == 8:
        return _rows(frame.planes[0], np.uint8)[:height, :width].copy()
    deep = _deep_samples(frame)
    extra_bits = 8 if pixel_format.name.startswith(_HIGH_BITS) else bits - 8
    rounded = (deep.astype(np.uint32) + (1 << extra_bits - 1)) >> extra_bits
    luma: U8 = np.minimum(rounded, 255).astype(np.uint8)
    return luma


def _deep_samples(frame: Any) -> NDArray[Any]:
    """Return the luma of more than 8 bits as it is stored, shape (h, w)."""
    sample_type = np.dtype(">u2" if frame.format.is_big_endian else "<u2")
    return _rows(frame.planes[0], sample_type)[: frame.height, : frame.width]


def _rows(plane: Any, sample_type: Any) -> NDArray[Any]:
    """Return the samples of a plane, one row per line of the picture."""
    samples = np.frombuffer(plane, sample_type)
    return samples.reshape(-1, plane.line_size // samples.itemsize)
