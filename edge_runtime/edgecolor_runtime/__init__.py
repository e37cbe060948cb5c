"""Color for grayscale cameras and photographs: the device side.

    from edgecolor_runtime import color
    color("old.jpg").save("colored.jpg")

Each name loads its module on first use, because numpy and Pillow take long to import on a small device.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecolor_runtime.colors.frame import ColorFrame, Shot
    from edgecolor_runtime.colors.hints import Hint, HintSet
    from edgecolor_runtime.errors import (
        CameraError,
        DataError,
        EdgecolorError,
        GateError,
        MissingError,
        ModelFileError,
        PictureError,
        UsageError,
    )
    from edgecolor_runtime.images.picture import Picture
    from edgecolor_runtime.images.reader import open_picture
    from edgecolor_runtime.images.writer import save
    from edgecolor_runtime.inference.color_picture import color
    from edgecolor_runtime.inference.colorizer import Colorizer
    from edgecolor_runtime.inference.golden import Replay, replay, verify_replay
    from edgecolor_runtime.inference.interpreter import Interpreter, load_interpreter
    from edgecolor_runtime.inference.tensor import TensorInfo
    from edgecolor_runtime.live.session import LiveOptions, LiveResult, LiveSession
    from edgecolor_runtime.live.statistics import LiveStatistics
    from edgecolor_runtime.models.info import ModelInfo, Precision
    from edgecolor_runtime.models.model_file import Golden, ModelFile, pack, parse, read
    from edgecolor_runtime.models.shipped import SHIPPED, ShippedModel, open_model, read_shipped
    from edgecolor_runtime.outputs.recording import RecordingWriter, SegmentOptions
    from edgecolor_runtime.outputs.video import VideoWriter
    from edgecolor_runtime.preview.server import Preview, PreviewControls
    from edgecolor_runtime.sources.cameras import CameraInfo, list_cameras, open_camera
    from edgecolor_runtime.sources.orientation import Orientation

__version__ = "0.1.0"

_HOME = {
    "colors.frame": ("ColorFrame", "Shot"),
    "colors.hints": ("Hint", "HintSet"),
    "errors": (
        "CameraError",
        "DataError",
        "EdgecolorError",
        "GateError",
        "MissingError",
        "ModelFileError",
        "PictureError",
        "UsageError",
    ),
    "images.picture": ("Picture",),
    "images.reader": ("open_picture",),
    "images.writer": ("save",),
    "inference.color_picture": ("color",),
    "inference.colorizer": ("Colorizer",),
    "inference.golden": ("Replay", "replay", "verify_replay"),
    "inference.interpreter": ("Interpreter", "load_interpreter"),
    "inference.tensor": ("TensorInfo",),
    "live.session": ("LiveOptions", "LiveResult", "LiveSession"),
    "live.statistics": ("LiveStatistics",),
    "models.info": ("ModelInfo", "Precision"),
    "models.model_file": ("Golden", "ModelFile", "pack", "parse", "read"),
    "models.shipped": ("SHIPPED", "ShippedModel", "open_model", "read_shipped"),
    "outputs.recording": ("RecordingWriter", "SegmentOptions"),
    "outputs.video": ("VideoWriter",),
    "preview.server": ("Preview", "PreviewControls"),
    "sources.cameras": ("CameraInfo", "list_cameras", "open_camera"),
    "sources.orientation": ("Orientation",),
}
"""Module -> the public names that it defines. To add a name: here, in `__all__`, and in the imports above."""

__all__ = [
    "SHIPPED",
    "CameraError",
    "CameraInfo",
    "ColorFrame",
    "Colorizer",
    "DataError",
    "EdgecolorError",
    "GateError",
    "Golden",
    "Hint",
    "HintSet",
    "Interpreter",
    "LiveOptions",
    "LiveResult",
    "LiveSession",
    "LiveStatistics",
    "MissingError",
    "ModelFile",
    "ModelFileError",
    "ModelInfo",
    "Orientation",
    "Picture",
    "PictureError",
    "Precision",
    "Preview",
    "PreviewControls",
    "RecordingWriter",
    "Replay",
    "SegmentOptions",
    "ShippedModel",
    "Shot",
    "TensorInfo",
    "UsageError",
    "VideoWriter",
    "__version__",
    "color",
    "list_cameras",
    "load_interpreter",
    "open_camera",
    "open_model",
    "open_picture",
    "pack",
    "parse",
    "read",
    "read_shipped",
    "replay",
    "save",
    "verify_replay",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
