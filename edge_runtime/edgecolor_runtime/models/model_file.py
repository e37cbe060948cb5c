"""The one-file model: a TFLite flatbuffer with a zip appended. All is verified before any of it is used.

flatbuffer        any TFLite runtime loads the file as it is, and never looks at what follows
edgecolor.json    what the model is: name, precision, scales, training, accuracy, license
golden.npz        a few real inputs with the outputs of the float reference and of the exported graph
SHA256SUMS        of the flatbuffer and of the two members above
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.signature import INPUT_SHAPE, OUTPUT_SHAPE

FORMAT = 1  # of edgecolor.json; raised when an older reader would misread it
PRECISIONS = ("int8", "int16x8", "float32", "float16", "dynamic")
"""What a network computes in. All but int8 have float32 inputs and outputs."""

GOLDEN_LIMIT = 100_000  # bytes of golden.npz
GAIN_LIMIT = 100  # of a model's own saturation; NaN fails it, too
FILE_LIMIT = 256 << 20  # bytes; what is larger is no model of this kind

INFO_MEMBER = "edgecolor.json"  # what tells our zip from another's

_INFO, _GOLDEN, _SUMS = _MEMBERS = (INFO_MEMBER, "golden.npz", "SHA256SUMS")
_FLATBUFFER = "flatbuffer"  # its name in SHA256SUMS
_GOLDEN_UNPACKED_LIMIT = 16 << 20  # bytes, before anything is inflated
_TEXT = ("name", "version", "precision", "licence", "flatbuffer_sha256")
_NUMBERS = ("alpha", "ab_scale", "saturation", "parameters")
_OTHER = ("input", "output", "calibration", "training", "accuracy", "created_by")


@dataclass(frozen=True)
class Golden:
    """Inputs and outputs by which a device proves that it computes what the workstation computed.

    Attributes:
        gray: What the network saw, 8-bit luma, shape (n, 224, 224).
        reference: Output of the float reference, in [-1, 1], shape (n, 56, 56, 2); stored as float16.
        exported: Raw output of the exported graph, int8 or float32, shape (n, 56, 56, 2).
    """

    gray: U8
    reference: F32
    exported: NDArray[Any]


@dataclass(frozen=True)
class ModelFile:
    """A verified model.

    Attributes:
        flatbuffer: What the interpreter loads.
        info: edgecolor.json.
        golden: The golden vectors.
        sha256: Of the flatbuffer, hexadecimal.
    """

    flatbuffer: bytes
    info: dict[str, Any]
    golden: Golden
    sha256: str


def pack(flatbuffer: bytes, info: Mapping[str, Any], golden: Golden) -> bytes:
    """Join a flatbuffer, its description and its golden vectors to one file.

    Args:
        flatbuffer: The TFLite model.
        info: What edgecolor.json shall say; `format` and `flatbuffer_sha256` are added.
        golden: The golden vectors.

    Returns:
        The bytes of the file: the same input gives the same bytes.

    Raises:
        ModelFileError: The parts do not make a model that `parse` accepts.
    """
    digest = hashlib.sha256(flatbuffer).hexdigest()
    text = json.dumps({**info, "format": FORMAT, "flatbuffer_sha256": digest}, indent=2, allow_nan=False)
    packed = io.BytesIO()
    np.savez_compressed(
        packed, gray=golden.gray, reference=golden.reference.astype(np.float16), exported=golden.exported
    )
    members = {_INFO: text.encode() + b"\n", _GOLDEN: packed.getvalue()}
    if len(members[_GOLDEN]) > GOLDEN_LIMIT:
        raise ModelFileError(
            f"the golden vectors take {len(members[_GOLDEN])} bytes; at most {GOLDEN_LIMIT}: use fewer"
        )
    data = _join(flatbuffer, {**members, _SUMS: _sums(flatbuffer, members)})
    parse(data, "the packed model")
    return data


def read(path: str | Path) -> ModelFile:
    """Read and verify a model file.

    Raises:
        ModelFileError: It cannot be read, or anything in it is not as it was written.
    """
    path = Path(path)
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ModelFileError(f"{path}: too large for an edgecolor model")
        return parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such model file") from None
    except IsADirectoryError:
        raise ModelFileError(f"{path}: a folder; name the .tflite file in it") from None
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}") from error


def parse(data: bytes, where: str) -> ModelFile:
    """Verify the bytes of a model file.

    Args:
        data: The whole file.
        where: What messages call it.

    Returns:
        The model; every byte of it is the one that `pack` wrote.

    Raises:
        ModelFileError: Anything is missing, changed or added, or it is no model of this signature.
    """
    if data.startswith(b"PK"):
        raise ModelFileError(f"{where}: not a TFLite model; `edgecolor export {where} -o FILE` makes one")
    if data[4:8] != b"TFL3":
        raise ModelFileError(f"{where}: not a TFLite model (no TFL3 identifier)")
    flatbuffer, members = _split(data, where)
    digest = hashlib.sha256(flatbuffer).hexdigest()
    if members[_SUMS] != _sums(flatbuffer, {name: members[name] for name in (_INFO, _GOLDEN)}):
        foreign = digest.encode() not in members[_SUMS]
        what = (
            "the network is not the one that its metadata describes"
            if foreign
            else "its metadata was changed"
        )
        raise ModelFileError(f"{where}: {what} (SHA256SUMS differs); fetch or export it again")
    if data != _join(flatbuffer, members):
        raise ModelFileError(
            f"{where}: bytes were added or changed around its metadata; fetch or export it again"
        )
    info = _info(members[_INFO], digest, where)
    return ModelFile(flatbuffer, info, _golden(members[_GOLDEN], info["precision"], where), digest)


def _sums(flatbuffer: bytes, members: Mapping[str, bytes]) -> bytes:
    parts = {_FLATBUFFER: flatbuffer, **members}
    return "".join(f"{hashlib.sha256(part).hexdigest()}  {name}\n" for name, part in parts.items()).encode()


def _join(flatbuffer: bytes, members: Mapping[str, bytes]) -> bytes:
    """Append the zip, every field fixed and nothing compressed: a reader writes it again and compares."""
    buffer = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name in _MEMBERS:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, members[name])
    return buffer.getvalue()


def _split(data: bytes, where: str) -> tuple[bytes, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if names != list(_MEMBERS):
                found = ", ".join(names) or "nothing"
                raise ModelFileError(f"{where}: its metadata holds {found}; expected {', '.join(_MEMBERS)}")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ModelFileError(f"{where}: its metadata is compressed; an edgecolor model's is not")
            members = {entry.filename: archive.read(entry) for entry in entries}
            return data[: entries[0].header_offset], members
    except ModelFileError:
        raise
    except Exception as error:  # zipfile raises a dozen types on damaged input
        raise ModelFileError(
            f"{where}: no intact edgecolor metadata behind the network ({error}); "
            "fetch it again, or make one with `edgecolor export`"
        ) from error


def _info(member: bytes, digest: str, where: str) -> dict[str, Any]:
    try:
        info = json.loads(member)
    except ValueError as error:
        raise ModelFileError(f"{where}: edgecolor.json is not JSON ({error})") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        found = info.get("format") if isinstance(info, dict) else type(info).__name__
        raise ModelFileError(f"{where}: edgecolor.json has format {found}; this edgecolor reads {FORMAT}")
    missing = [key for key in (*_TEXT, *_NUMBERS, *_OTHER) if key not in info]
    if missing:
        raise ModelFileError(f"{where}: edgecolor.json lacks {', '.join(missing)}")
    wrong = [key for key in _TEXT if not isinstance(info[key], str)]
    wrong += [
        key for key in _NUMBERS if not isinstance(info[key], (int, float)) or isinstance(info[key], bool)
    ]
    if info["precision"] not in PRECISIONS:
        wrong.append("precision")
    if "saturation" not in wrong and not 0 <= info["saturation"] <= GAIN_LIMIT:
        wrong.append("saturation")
    if wrong:
        raise ModelFileError(f"{where}: edgecolor.json: wrong {', '.join(wrong)}")
    if info["flatbuffer_sha256"] != digest:
        raise ModelFileError(f"{where}: edgecolor.json describes another network (flatbuffer_sha256 differs)")
    for side, shape in (("input", INPUT_SHAPE), ("output", OUTPUT_SHAPE)):
        found = info[side].get("shape") if isinstance(info[side], dict) else info[side]
        if found != list(shape):
            raise ModelFileError(f"{where}: {side} shape {found}; expected {list(shape)}")
        if not all(isinstance(info[side].get(key, 0), (int, float)) for key in ("scale", "zero_point")):
            raise ModelFileError(f"{where}: {side} has a scale or zero point that is no number")
    return info


def _golden(member: bytes, precision: str, where: str) -> Golden:
    try:
        with zipfile.ZipFile(io.BytesIO(member)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _GOLDEN_UNPACKED_LIMIT:
                raise ValueError("too large")
        with np.load(io.BytesIO(member), allow_pickle=False) as arrays:
            gray, reference, exported = arrays["gray"], arrays["reference"], arrays["exported"]
    except Exception as error:  # numpy and zipfile raise a dozen types on damaged input
        raise ModelFileError(f"{where}: golden.npz cannot be read ({error})") from error
    n = len(gray) if gray.ndim else 0
    raw = np.int8 if precision == "int8" else np.float32
    wanted = {
        "gray": (gray, (n, *INPUT_SHAPE[1:3]), np.uint8),
        "reference": (reference, (n, *OUTPUT_SHAPE[1:]), np.float16),
        "exported": (exported, (n, *OUTPUT_SHAPE[1:]), raw),
    }
    for name, (array, shape, dtype) in wanted.items():
        if n == 0 or array.shape != shape or array.dtype != dtype:
            found = f"{array.dtype} {array.shape}"
            raise ModelFileError(
                f"{where}: golden {name} is {found}; expected {np.dtype(dtype)} {shape}, n > 0"
            )
    return Golden(gray, reference.astype(np.float32), exported)
