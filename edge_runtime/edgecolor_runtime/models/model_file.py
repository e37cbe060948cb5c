"""The one-file model: a TFLite flatbuffer with an appended zip. Every byte is verified before any is used.

flatbuffer        any TFLite runtime loads the file and ignores the zip
edgecolor.json    what the model is: name, precision, scales, training, accuracy, license
golden.npz        a few real inputs with the outputs of the float reference and of the exported graph
SHA256SUMS        hashes of the flatbuffer and of the two members above
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
from edgecolor_runtime.models.info import ModelInfo, Precision
from edgecolor_runtime.models.signature import INPUT_SHAPE, OUTPUT_SHAPE
from edgecolor_runtime.system.strict_json import parse_json

FORMAT = 1  # of edgecolor.json; it rises when an older reader would misread a new file
MAX_GOLDEN_BYTES = 100_000  # size of golden.npz
MAX_INFO_BYTES = 1 << 20  # size of edgecolor.json
MAX_FILE_BYTES = 256 << 20  # a larger file is not an edgecolor model
INFO_MEMBER = "edgecolor.json"  # zip member by which an edgecolor model is recognized

_GOLDEN_MEMBER = "golden.npz"
_SUMS_MEMBER = "SHA256SUMS"
_MEMBERS = (INFO_MEMBER, _GOLDEN_MEMBER, _SUMS_MEMBER)
_FLATBUFFER = "flatbuffer"  # name of the network in SHA256SUMS
_MAX_UNPACKED_GOLDEN_BYTES = 16 << 20  # checked before anything is inflated
_CONTAINER_KEYS = ("format", "flatbuffer_sha256")  # of edgecolor.json; they describe the file, not the model


@dataclass(frozen=True)
class Golden:
    """Golden vectors: inputs with the outputs that a device must reproduce.

    Attributes:
        gray: inputs, 8-bit luma, shape (n, 224, 224).
        reference: outputs of the float reference in [-1, 1], shape (n, 56, 56, 2); the file stores float16.
        exported: raw outputs of the exported graph, int8 or float32, shape (n, 56, 56, 2).
    """

    gray: U8
    reference: F32
    exported: NDArray[Any]


@dataclass(frozen=True)
class ModelFile:
    """A verified model.

    Attributes:
        flatbuffer: the network, as the interpreter loads it.
        info: what the file says about the model.
        golden: the golden vectors.
        sha256: SHA-256 of the flatbuffer, hexadecimal.
        is_pinned: whether the whole file is one that this package pins by its hash.
    """

    flatbuffer: bytes
    info: ModelInfo
    golden: Golden
    sha256: str
    is_pinned: bool = False


def pack(flatbuffer: bytes, info: ModelInfo, golden: Golden) -> bytes:
    """Join a flatbuffer, its description and its golden vectors to one file.

    Args:
        flatbuffer: the TFLite model.
        info: what the file says about the model.
        golden: the golden vectors.

    Returns:
        The bytes of the file. Equal input gives equal bytes, and a parsed file is packed to the bytes it had.

    Raises:
        ModelFileError: `parse` does not accept the packed file.
    """
    document = build_document(info, hashlib.sha256(flatbuffer).hexdigest())
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, gray=golden.gray, reference=golden.reference.astype(np.float16), exported=golden.exported
    )
    vectors = buffer.getvalue()
    if len(vectors) > MAX_GOLDEN_BYTES:
        raise ModelFileError(
            f"the golden vectors take {len(vectors)} bytes, and at most {MAX_GOLDEN_BYTES} are allowed; "
            "use fewer of them"
        )
    text = json.dumps(document, indent=2, allow_nan=False)
    members = {INFO_MEMBER: text.encode() + b"\n", _GOLDEN_MEMBER: vectors}
    data = _join(flatbuffer, {**members, _SUMS_MEMBER: _sums(flatbuffer, members)})
    parse(data, "the packed model")
    return data


def build_document(info: ModelInfo, flatbuffer_sha256: str) -> dict[str, Any]:
    """Return the whole edgecolor.json: the model's description, the format and the network's hash."""
    return {**info.to_json(), "format": FORMAT, "flatbuffer_sha256": flatbuffer_sha256}


def read(path: str | Path) -> ModelFile:
    """Read and verify a model file.

    Raises:
        ModelFileError: the file cannot be read, or any byte differs from what `pack` wrote.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
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
        data: the whole file.
        where: name of the file, for messages.

    Raises:
        ModelFileError: anything is missing, changed or added, or the model has another signature.
    """
    if data.startswith(b"PK"):
        raise ModelFileError(f"{where}: not a TFLite model; `edgecolor export {where} -o FILE` makes one")
    if data[4:8] != b"TFL3":
        raise ModelFileError(f"{where}: not a TFLite model (no TFL3 identifier)")
    flatbuffer, members = _split(data, where)
    digest = hashlib.sha256(flatbuffer).hexdigest()
    described = {name: members[name] for name in (INFO_MEMBER, _GOLDEN_MEMBER)}
    if members[_SUMS_MEMBER] != _sums(flatbuffer, described):
        foreign = digest.encode() not in members[_SUMS_MEMBER]
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
    info = _read_info(members[INFO_MEMBER], digest, where)
    golden = _read_golden(members[_GOLDEN_MEMBER], info.precision, where)
    return ModelFile(flatbuffer, info, golden, digest)


def _sums(flatbuffer: bytes, members: Mapping[str, bytes]) -> bytes:
    parts = {_FLATBUFFER: flatbuffer, **members}
    return "".join(f"{hashlib.sha256(part).hexdigest()}  {name}\n" for name, part in parts.items()).encode()


def _join(flatbuffer: bytes, members: Mapping[str, bytes]) -> bytes:
    """Append the zip with fixed fields and without compression. A reader writes it again and compares."""
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
                raise ModelFileError(
                    f"{where}: its metadata holds {', '.join(names) or 'nothing'}; "
                    f"expected {', '.join(_MEMBERS)}"
                )
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ModelFileError(f"{where}: its metadata is compressed; edgecolor does not compress it")
            members = {entry.filename: archive.read(entry) for entry in entries}
            return data[: entries[0].header_offset], members
    except ModelFileError:
        raise
    except Exception as error:  # zipfile raises many types on damaged input
        raise ModelFileError(
            f"{where}: no intact edgecolor metadata behind the network ({error}); "
            "fetch it again, or make one with `edgecolor export`"
        ) from error


def _read_info(member: bytes, digest: str, where: str) -> ModelInfo:
    if len(member) > MAX_INFO_BYTES:
        raise ModelFileError(f"{where}: edgecolor.json has more than {MAX_INFO_BYTES} bytes")
    try:
        document = parse_json(member)
        json.dumps(document, ensure_ascii=False).encode()  # raises if a text is not Unicode
    except ValueError as error:
        raise ModelFileError(f"{where}: edgecolor.json is not JSON ({error})") from error
    file_format = document.get("format") if isinstance(document, dict) else type(document).__name__
    if file_format != FORMAT:
        raise ModelFileError(
            f"{where}: edgecolor.json has format {file_format}; this edgecolor reads {FORMAT}"
        )
    if document.get("flatbuffer_sha256") != digest:
        raise ModelFileError(f"{where}: edgecolor.json describes another network (flatbuffer_sha256 differs)")
    try:
        return ModelInfo.from_json({k: v for k, v in document.items() if k not in _CONTAINER_KEYS})
    except ModelFileError as error:
        raise ModelFileError(f"{where}: {error}") from None


def _read_golden(member: bytes, precision: Precision, where: str) -> Golden:
    try:
        with zipfile.ZipFile(io.BytesIO(member)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_UNPACKED_GOLDEN_BYTES:
                raise ValueError("too large")
        with np.load(io.BytesIO(member), allow_pickle=False) as arrays:
            gray, reference, exported = arrays["gray"], arrays["reference"], arrays["exported"]
    except Exception as error:  # numpy and zipfile raise many types on damaged input
        raise ModelFileError(f"{where}: golden.npz cannot be read ({error})") from error
    n = len(gray) if gray.ndim else 0
    raw = np.int8 if precision is Precision.INT8 else np.float32
    expected = {
        "gray": (gray, (n, *INPUT_SHAPE[1:3]), np.uint8),
        "reference": (reference, (n, *OUTPUT_SHAPE[1:]), np.float16),
        "exported": (exported, (n, *OUTPUT_SHAPE[1:]), raw),
    }
    for name, (array, shape, dtype) in expected.items():
        if n == 0 or array.shape != shape or array.dtype != dtype:
            raise ModelFileError(
                f"{where}: golden {name} is {array.dtype} {array.shape}; "
                f"expected {np.dtype(dtype)} {shape}, n > 0"
            )
    return Golden(gray, reference.astype(np.float32), exported)
