"""The identity of a model file in a record: hashes, size and the model's own description."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgecolor import __version__
from edgecolor.network.sidecar import read_sidecar
from edgecolor.records.types import ExportedIdentity, FileIdentity
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.models.shipped import SHIPPED, open_model, shipped_bytes


def identify(name: str) -> FileIdentity:
    """Read a shipped model by its name, a .keras, or a one-file model.

    Raises:
        ModelFileError: there is no such file, or it is broken or foreign.
    """
    return _identify_keras(Path(name)) if Path(name).suffix == ".keras" else identify_exported(name)


def identify_exported(name: str) -> ExportedIdentity:
    """Read a shipped model by its name, or a one-file model.

    Raises:
        ModelFileError: there is no such file, or it is broken or foreign.
    """
    model = open_model(name)
    data = shipped_bytes(name) if name in SHIPPED else Path(name).read_bytes()
    info = model.info
    return ExportedIdentity(
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


def _identify_keras(path: Path) -> FileIdentity:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}.") from error
    sidecar = read_sidecar(path)
    return FileIdentity(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        flatbuffer_sha256=None,
        bytes=len(data),
        name=sidecar.name or path.stem,
        version=sidecar.version or __version__,
        precision=Precision.FLOAT32,
        alpha=sidecar.alpha,
        parameters=None,
    )
