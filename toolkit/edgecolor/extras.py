"""What the base install leaves out, asked for by the commands that need it."""

from __future__ import annotations

import importlib.util
import os

from edgecolor_runtime.errors import MissingError


def need_keras(what: str) -> None:
    """Makes sure that Keras and its backend can be imported; keeps TensorFlow's start-up chatter off stderr.

    Args:
        what: the command that needs it, for the message.

    Raises:
        MissingError: Keras or the backend that KERAS_BACKEND names is not installed.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    for name in ("keras", backend):
        if importlib.util.find_spec(name) is None:
            also = "" if name in ("keras", "tensorflow") else f" {name}"
            raise MissingError(f"`edgecolor {what}` needs {name}: pip install 'edgecolor[train]'{also}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def need_module(what: str, name: str) -> None:
    """Makes sure that a module of the workstation side can be imported.

    Args:
        what: the command that needs it, for the message.
        name: of the module.

    Raises:
        MissingError: it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise MissingError(f"`edgecolor {what}` needs {name}: pip install 'edgecolor[train]'")
