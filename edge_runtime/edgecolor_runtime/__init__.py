"""The device side of edgecolor: a gray frame in, a colour frame out.

Names load on first use: on a small device numpy and Pillow import slower than a command answers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecolor_runtime.colorizer import ColorFrame, Colorizer
    from edgecolor_runtime.errors import (
        DataError,
        EdgecolorError,
        GateError,
        MissingError,
        ModelFileError,
        PictureError,
        UsageError,
    )
    from edgecolor_runtime.golden import Replay, replay, verify_replay
    from edgecolor_runtime.interpreter import Interpreter, TensorInfo, load_interpreter
    from edgecolor_runtime.model_file import Golden, ModelFile, pack, parse, read
    from edgecolor_runtime.picture import Picture, open_picture
    from edgecolor_runtime.shipped import SHIPPED, ShippedModel, open_model, read_shipped
    from edgecolor_runtime.sinks import save

__version__ = "0.1.0"

_HOME = {
    "colorizer": ("ColorFrame", "Colorizer"),
    "errors": (
        "DataError",
        "EdgecolorError",
        "GateError",
        "MissingError",
        "ModelFileError",
        "PictureError",
        "UsageError",
    ),
    "golden": ("Replay", "replay", "verify_replay"),
    "interpreter": ("Interpreter", "TensorInfo", "load_interpreter"),
    "model_file": ("Golden", "ModelFile", "pack", "parse", "read"),
    "picture": ("Picture", "open_picture"),
    "shipped": ("SHIPPED", "ShippedModel", "open_model", "read_shipped"),
    "sinks": ("save",),
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
    "Picture",
    "PictureError",
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
