"""Read and write .keras files of the fusion network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgecolor.network.fusion import resized
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.signature import CHROMA_SIZE, INPUT_SIZE
from edgecolor_runtime.system import files

Shape = tuple[int | None, ...]

INPUT_SHAPES: list[Shape] = [(INPUT_SIZE, INPUT_SIZE, 1)]  # without the batch
OUTPUT_SHAPES: list[Shape] = [(CHROMA_SIZE, CHROMA_SIZE, 2)]


def save_network(network: keras.Model, path: Path) -> None:
    """Write the network without optimizer and training outputs, for 224 x 224, as a whole or not at all."""
    with files.staged_file(path, force=True) as staged:
        resized(network, INPUT_SIZE).save(staged)


def load_network(path: str | Path) -> keras.Model:
    """Load a .keras file with the signature of the fusion network. Code inside the file is never run.

    Raises:
        ModelFileError: not a Keras file, unsafe, or of another signature. The message names both signatures.
    """
    if not Path(path).is_file():
        raise ModelFileError(f"{path}: no such file. Name a .keras file.")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a hostile or broken file raises nearly anything here
        raise ModelFileError(f"{path}: Keras cannot load this file: {first_sentence(error)}") from error
    inputs, outputs = _shapes(model.inputs), _shapes(model.outputs)
    if not (_fits(inputs, INPUT_SHAPES) and _fits(outputs, OUTPUT_SHAPES)):
        raise ModelFileError(
            f"{path}: the signature is {inputs} -> {outputs}; expected {INPUT_SHAPES} -> {OUTPUT_SHAPES} "
            "(L to ab, without the batch)."
        )
    return model


def first_sentence(error: Exception) -> str:
    """Return the first sentence of a message of Keras. The rest is advice for programmers."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".") + "."


def _shapes(tensors: list[Any]) -> list[Shape]:
    return [tuple(t.shape[1:]) for t in tensors]


def _fits(shapes: list[Shape], expected: list[Shape]) -> bool:
    """Return whether shapes are the expected ones. An open side fits any size."""
    return len(shapes) == len(expected) and all(
        len(shape) == len(want) and all(a in (None, b) for a, b in zip(shape, want, strict=True))
        for shape, want in zip(shapes, expected, strict=True)
    )


def fingerprint(network: keras.Model) -> str:
    """Return the SHA-256 of a network's weights, hexadecimal."""
    digest = hashlib.sha256()
    for values in network.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
