"""The models inside this package. Their hashes are pinned here, because a whole file could be exchanged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.model_file import ModelFile, parse, read


@dataclass(frozen=True)
class ShippedModel:
    """Name of a model file in edgecolor_runtime/models, and the SHA-256 of the whole file, hexadecimal."""

    file: str
    sha256: str


SHIPPED: dict[str, ShippedModel] = {
    "m": ShippedModel("m.tflite", "e79774e7b98cd626677143f4536d91ecdd8a01a4b043b869e4180e4811fcc279"),
    "s": ShippedModel("s.tflite", "9dbb56e1a9c9d64c6ae2ec142d7f3ac31d37888dcef0790f0a8601a8f037a6d6"),
}
"""Name -> model."""

MODEL_TITLES = {"m": "medium, better colors", "s": "small, fast"}
"""Name -> size and purpose in a few words, for people who choose a model."""

PHOTO_MODEL = "m"
"""The default for photographs. It colors better than `s`; the network is a small part of the time."""


def describe_name(name: str) -> str:
    """Return the name of a shipped model with its title: "s (small, fast)". Paths stay as they are."""
    return f"{name} ({MODEL_TITLES[name]})" if name in MODEL_TITLES else name


WEIGHTS_LICENSE = Path(__file__).with_name("LICENSE-WEIGHTS")
"""Terms of the shipped models, which the license of the code does not cover."""

_REINSTALL = "Install edgecolor-runtime again; `edgecolor doctor` prints the command."


def read_shipped(name: str = "s") -> ModelFile:
    """Read and verify a shipped model.

    Raises:
        ModelFileError: there is no shipped model of this name, or its file is not the pinned one.
    """
    return replace(parse(shipped_bytes(name), f"shipped model {name}"), is_pinned=True)


def shipped_bytes(name: str) -> bytes:
    """Return the file of a shipped model, verified by its pinned hash.

    Raises:
        ModelFileError: there is no shipped model of this name, or its file is not the pinned one.
    """
    if name not in SHIPPED:
        known = ", ".join(SHIPPED) or "none"
        raise ModelFileError(f"no shipped model is called {name} (there are: {known})")
    model = SHIPPED[name]
    try:
        data = (resources.files("edgecolor_runtime") / "models" / model.file).read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"shipped model {name} cannot be read: {error.strerror}. {_REINSTALL}"
        ) from error
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise ModelFileError(f"shipped model {name} is not the file of this release. {_REINSTALL}")
    return data


def open_model(name: str | Path) -> ModelFile:
    """Read and verify a shipped model by its name, or a model file by its path.

    Raises:
        ModelFileError: there is no such model, or its file is damaged.
    """
    if str(name) in SHIPPED:
        return read_shipped(str(name))
    if not Path(name).suffix and not Path(name).exists():
        return read_shipped(str(name))  # raises an error that lists the names
    return read(name)
