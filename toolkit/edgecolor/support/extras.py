"""Packages of the optional extras: import them, or report the command that installs them."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
from importlib import metadata
from pathlib import Path

from edgecolor_runtime.errors import MissingError, UsageError
from edgecolor_runtime.system.commands import pip_install, shell_command
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
            also = () if name in ("keras", "tensorflow") else (name,)
            raise MissingError(_missing_text(command, name, "train", *also))
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
        raise MissingError(_missing_text(command, name, extra))


def _missing_text(command: str, name: str, extra: str, *also: str) -> str:
    return f"`edgecolor {command}` needs {name}. Install it with: {install_extra(extra, *also)}"


def install_extra(extra: str, *also: str) -> str:
    """Return the command that installs the packages of an extra for the Python that is running.

    Args:
        extra: name of the extra of edgecolor.
        also: further packages.
    """
    source = find_source_checkout()
    checkout = source or _installed_from()
    if checkout is not None:
        edit = ["--editable"] if source else []
        return pip_install(*edit, str(checkout / "edge_runtime"), *edit, f"{checkout}[{extra}]", *also)
    # edgecolor itself is on no package index: the command names what the extra needs.
    return pip_install(*_requirements_of(extra), *also)


def restore_models() -> str:
    """Return the command, or the step, that restores the models in edgecolor-runtime."""
    if source := find_source_checkout():
        return shell_command(["git", "-C", str(source), "restore", "edge_runtime/edgecolor_runtime/models"])
    if checkout := _installed_from():
        return pip_install("--force-reinstall", "--no-deps", str(checkout / "edge_runtime"))
    return "install the wheel of edgecolor-runtime again"


def find_source_checkout() -> Path | None:
    """Return the repository from which the running edgecolor is imported; None if it is an installed copy."""
    import edgecolor

    repository = Path(edgecolor.__file__).resolve().parents[2]
    return repository if _is_checkout(repository) else None


def _installed_from() -> Path | None:
    """Return the repository from which pip installed edgecolor, if it is still there."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        origin = metadata.distribution("edgecolor").read_text("direct_url.json")  # PEP 610
    except metadata.PackageNotFoundError:
        return None
    url = urlsplit(json.loads(origin or "{}").get("url", ""))
    installed_from = Path(url2pathname(url.path))
    return installed_from if url.scheme == "file" and _is_checkout(installed_from) else None


def _is_checkout(folder: Path) -> bool:
    return (folder / "edge_runtime/pyproject.toml").is_file() and (folder / "pyproject.toml").is_file()


def _requirements_of(extra: str) -> list[str]:
    """Return the requirements of an extra as pip takes them, with their other markers."""
    mark = re.compile(rf"""(\s+and\s+)?extra\s*==\s*["']{extra}["']""")
    requirements = []
    for line in metadata.requires("edgecolor") or []:
        requirement, _, marker = line.partition(";")
        if mark.search(marker):
            others = mark.sub("", marker).strip().replace('"', "'")
            requirements.append(f"{requirement.strip()}; {others}" if others else requirement.strip())
    return requirements
