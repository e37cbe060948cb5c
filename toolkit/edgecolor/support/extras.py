"""What the base install leaves out, asked for by the commands that need it."""

from __future__ import annotations

import importlib
import importlib.util
import os

from edgecolor_runtime.errors import MissingError, UsageError
from edgecolor_runtime.system.stderr import stderr_without

_NOTES = (b"WARNING: All log messages before absl::InitializeLog()", b"I0000 ")


def need_keras(what: str, *, backend: str | None = None) -> None:
    """Imports Keras and its backend, without TensorFlow's start-up notes.

    Args:
        what: the command that needs it, for the message.
        backend: the only one that will do; None for the one that KERAS_BACKEND names.

    Raises:
        MissingError: Keras or the backend is not installed.
        UsageError: KERAS_BACKEND names another backend.
    """
    named = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in (None, named):
        raise UsageError(f"`edgecolor {what}` works with Keras on {backend}: unset KERAS_BACKEND={named}.")
    backend = named
    for name in ("keras", backend):
        if importlib.util.find_spec(name) is None:
            also = "" if name in ("keras", "tensorflow") else f" {name}"
            raise MissingError(f"`edgecolor {what}` needs {name}: pip install 'edgecolor[train]'{also}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stderr_without(*_NOTES):  # some come before that setting is read
        importlib.import_module("keras")


def need_module(what: str, name: str, *, extra: str = "train") -> None:
    """Makes sure that a module of the workstation side can be imported.

    Args:
        what: the command that needs it, for the message.
        name: of the module.
        extra: of edgecolor, that brings it.

    Raises:
        MissingError: it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise MissingError(f"`edgecolor {what}` needs {name}: pip install 'edgecolor[{extra}]'")
