"""Reading and writing .keras files of the fusion network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgecolor.network.fusion import resized
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.signature import CHROMA_STRIDE, INPUT_SIZE


def save_network(network: keras.Model, path: Path) -> None:
    """Writes the network alone, float32 and static at 224 x 224, whatever it was trained as."""
    partial = path.with_name(f".partial-{path.name}")
    resized(network, INPUT_SIZE).save(partial)
    partial.replace(path)


def load_network(path: str | Path) -> keras.Model:
    """Loads a .keras file with this network's signature; code inside the file is never run.

    Raises:
        ModelFileError: not a Keras file, unsafe, or another signature; says the shapes found and expected.
    """
    if not Path(path).is_file():
        raise ModelFileError(f"{path}: no such file. Name a .keras file.")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a hostile or broken file raises nearly anything here
        raise ModelFileError(f"{path}: Keras does not load it: {_first_sentence(error)}") from error
    found = [_shapes(model.inputs), _shapes(model.outputs)]
    side = INPUT_SIZE // CHROMA_STRIDE
    wanted: list[list[tuple[int, ...]]] = [[(INPUT_SIZE, INPUT_SIZE, 1)], [(side, side, 2)]]
    if not all(_fits(f, w) for f, w in zip(found, wanted, strict=True)):
        raise ModelFileError(
            f"{path}: the signature is {found[0]} -> {found[1]}; expected {wanted[0]} -> {wanted[1]} "
            "(L in, ab out, batch left out)."
        )
    return model


def _first_sentence(error: Exception) -> str:
    # What follows in Keras's messages is advice for programmers, such as switching the safe mode off.
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".") + "."


def _shapes(tensors: list[Any]) -> list[tuple[int | None, ...]]:
    return [tuple(t.shape[1:]) for t in tensors]


def _fits(found: list[tuple[int | None, ...]], wanted: list[tuple[int, ...]]) -> bool:
    return len(found) == len(wanted) and all(
        len(f) == len(w) and all(a in (None, b) for a, b in zip(f, w, strict=True))
        for f, w in zip(found, wanted, strict=True)
    )


def fingerprint(network: keras.Model) -> str:
    """What tells a network from another: SHA-256 over its weights, hexadecimal."""
    digest = hashlib.sha256()
    for values in network.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
