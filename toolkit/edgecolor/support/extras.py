"""Packages of the optional extras: import them, or report how to install them."""

from __future__ import annotations

import importlib
import importlib.util
import os

from edgecolor_runtime.errors import MissingError, UsageError
from edgecolor_runtime.system.stderr import stderr_without

_STARTUP_NOTES = (b"WARNING: All log messages before absl::InitializeLog()", b"I0000 ")


def need_keras(command: str, *, backend: str | None = None) -> None:
    """Import Keras and its backend, without TensorFlow's start-up notes.

    Args:
        command: the command that needs Keras, for the message.
        backend: the only supported backend; None for the backend that KERAS_BACKEND names.

    Raises:
        MissingError: Keras or the backend is not installed.
        UsageError: KERAS_BACKEND names another backend.
    """
    named_backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in (None, named_backend):
        raise UsageError(
            f"`edgecolor {command}` needs Keras with {backend}: unset KERAS_BACKEND={named_backend}."
        )
    for name in ("keras", named_backend):
        if importlib.util.find_spec(name) is None:
            also = "" if name in ("keras", "tensorflow") else f" {name}"
            raise MissingError(f"`edgecolor {command}` needs {name}: pip install 'edgecolor[train]'{also}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stderr_without(*_STARTUP_NOTES):  # TensorFlow prints some before it reads the setting
        importlib.import_module("keras")


def need_module(command: str, name: str, *, extra: str = "train") -> None:
    """Raise MissingError if a module is not installed.

    Args:
        command: the command that needs the module, for the message.
        name: name of the module.
        extra: the extra of edgecolor that contains the module.

    Raises:
        MissingError: the module is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise MissingError(f"`edgecolor {command}` needs {name}: pip install 'edgecolor[{extra}]'")
