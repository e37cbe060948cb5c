"""The errors that edgecolor raises on purpose, each with the exit code of a command.

EdgecolorError (1)          something failed, for example a file cannot be written
├── PictureError (1)        a picture or a video cannot be read or encoded
├── DataError (1)           training, calibration or evaluation data is unusable
├── UsageError (2)          wrong arguments, or the output exists already
├── GateError (3)           a result misses its gate: accuracy, operators, sparsity
├── MissingError (4)        this machine lacks a package, a delegate or a device
│   └── CameraError (4)     a camera is missing or busy, stalled, or was unplugged
│       └── CameraLoginError (4)  a camera refuses the user or the password
└── ModelFileError (5)      a model file is damaged, changed, or not an edgecolor model
"""

from __future__ import annotations


class EdgecolorError(Exception):
    """Base of all errors. The message is one line: what failed, why, what to do."""

    exit_code = 1


class PictureError(EdgecolorError):
    """A picture or a video cannot be read or encoded."""


class DataError(EdgecolorError):
    """Training, calibration or evaluation data is unusable."""


class UsageError(EdgecolorError):
    """The arguments are wrong, or the output exists already."""

    exit_code = 2


class GateError(EdgecolorError):
    """A result misses its gate."""

    exit_code = 3


class MissingError(EdgecolorError):
    """This machine lacks a package, a delegate or a device that is needed."""

    exit_code = 4


class CameraError(MissingError):
    """A camera or a stream is missing or busy, stalled, or went away. It may come back."""


class CameraLoginError(CameraError):
    """A camera refuses the user or the password. Trying again with the same ones is useless."""


class ModelFileError(EdgecolorError):
    """A model file is damaged, changed, or has another signature."""

    exit_code = 5
