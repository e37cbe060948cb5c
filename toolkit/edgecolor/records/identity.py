"""Which file a record is about: its hashes, its size, and what it says of itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgecolor import __version__
from edgecolor.network.sidecar import read_facts
from edgecolor.records.types import FileIdentity
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.shipped import SHIPPED, open_model, shipped_bytes


def identify(name: str) -> FileIdentity:
    """Reads a shipped model by its name, a .keras, or a one-file model.

    Raises:
        ModelFileError: no such file, or a broken or foreign one.
    """
    return _keras(Path(name)) if Path(name).suffix == ".keras" else identify_exported(name)


def identify_exported(name: str) -> FileIdentity:
    """Reads a shipped model by its name, or a one-file model.

    Raises:
        ModelFileError: no such file, or a broken or foreign one.
    """
    model = open_model(name)
    data = shipped_bytes(name) if name in SHIPPED else Path(name).read_bytes()
    info = model.info
    return FileIdentity(
        file=name if name in SHIPPED else Path(name).name,
        sha256=hashlib.sha256(data).hexdigest(),
        flatbuffer_sha256=model.sha256,
        bytes=len(data),
        name=info.name,
        version=info.version,
        precision=info.precision,
        alpha=info.alpha,
        parameters=info.parameters,
    )


def _keras(path: Path) -> FileIdentity:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}.") from error
    facts = read_facts(path)
    alpha = facts.get("alpha")
    return FileIdentity(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        flatbuffer_sha256=None,
        bytes=len(data),
        name=str(facts.get("name", path.stem)),
        version=str(facts.get("version", __version__)),
        precision="float32",
        alpha=alpha if isinstance(alpha, (int, float)) else None,
        parameters=None,
    )
