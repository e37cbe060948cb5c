"""The device side of edgecolor: a gray frame in, a color frame out.

Names load on first use: on a small device numpy and Pillow import slower than a command answers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecolor_runtime.colors.frame import ColorFrame
    from edgecolor_runtime.errors import (
        DataError,
        EdgecolorError,
        GateError,
        MissingError,
        ModelFileError,
        PictureError,
        UsageError,
    )
    from edgecolor_runtime.images.reader import Picture, open_picture
    from edgecolor_runtime.images.writer import save
    from edgecolor_runtime.inference.colorizer import Colorizer
    from edgecolor_runtime.inference.golden import Replay, replay, verify_replay
    from edgecolor_runtime.inference.interpreter import Interpreter, load_interpreter
    from edgecolor_runtime.inference.tensor import TensorInfo
    from edgecolor_runtime.models.info import ModelInfo, Precision
    from edgecolor_runtime.models.model_file import Golden, ModelFile, pack, parse, read
    from edgecolor_runtime.models.shipped import SHIPPED, ShippedModel, open_model, read_shipped

__version__ = "0.1.0"

_HOME = {
    "colors.frame": ("ColorFrame",),
    "inference.colorizer": ("Colorizer",),
    "errors": (
        "DataError",
        "EdgecolorError",
        "GateError",
        "MissingError",
        "ModelFileError",
        "PictureError",
        "UsageError",
    ),
    "inference.golden": ("Replay", "replay", "verify_replay"),
    "inference.interpreter": ("Interpreter", "load_interpreter"),
    "inference.tensor": ("TensorInfo",),
    "models.info": ("ModelInfo", "Precision"),
    "models.model_file": ("Golden", "ModelFile", "pack", "parse", "read"),
    "images.reader": ("Picture", "open_picture"),
    "models.shipped": ("SHIPPED", "ShippedModel", "open_model", "read_shipped"),
    "images.writer": ("save",),
}

__all__ = [
    "SHIPPED",
    "ColorFrame",
    "Colorizer",
    "DataError",
    "EdgecolorError",
    "GateError",
    "Golden",
    "Interpreter",
    "MissingError",
    "ModelFile",
    "ModelFileError",
    "ModelInfo",
    "Picture",
    "PictureError",
    "Precision",
    "Replay",
    "ShippedModel",
    "TensorInfo",
    "UsageError",
    "__version__",
    "load_interpreter",
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
