"""Every error that edgecolor raises on purpose, and the exit code a command ends with.

EdgecolorError (1)          something failed
├── PictureError (1)        a picture or a video cannot be read or written
├── DataError (1)           training, calibration or evaluation data is unusable
├── UsageError (2)          the call makes no sense
├── GateError (3)           a result misses its gate: accuracy, operators, sparsity
├── MissingError (4)        this machine lacks something: an extra, a delegate
│   └── CameraError (4)     a camera is not there, is busy, stalls or went away
└── ModelFileError (5)      a model file is broken, unverified, or not one of ours
"""

from __future__ import annotations


class EdgecolorError(Exception):
    """Base of all. Its text is one line that says what to do."""

    exit_code = 1


class PictureError(EdgecolorError):
    """A picture or a video cannot be read or written."""


class DataError(EdgecolorError):
    """Training, calibration or evaluation data is unusable."""


class UsageError(EdgecolorError):
    """The call makes no sense."""

    exit_code = 2


class GateError(EdgecolorError):
    """A result misses its gate."""

    exit_code = 3


class MissingError(EdgecolorError):
    """This machine lacks something the command needs."""

    exit_code = 4


class CameraError(MissingError):
    """A camera or a stream is not there, is busy, stalls or went away. It may come back."""


class ModelFileError(EdgecolorError):
    """A model file is broken, unverified, or has another signature."""

    exit_code = 5
