"""The one-file model: nothing is used unless every byte is verified."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecolor_runtime import (
    SHIPPED,
    Golden,
    ModelFile,
    ModelFileError,
    ModelInfo,
    Precision,
    pack,
    parse,
    read,
    read_shipped,
)
from edgecolor_runtime.models.info import CalibrationInfo, PhotographSet
from edgecolor_runtime.models.model_file import MAX_GOLDEN_BYTES
from edgecolor_runtime.models.shipped import shipped_bytes


@pytest.fixture(scope="module")
def data(tiny_path: Path) -> bytes:
    return tiny_path.read_bytes()


def refused(data: bytes) -> str:
    with pytest.raises(ModelFileError) as caught:
        parse(data, "m.tflite")
    text = str(caught.value)
    assert "m.tflite" in text and "\n" not in text and caught.value.exit_code == 5
    return text


def test_what_is_packed_is_read(tiny: ModelFile, data: bytes) -> None:
    again = pack(tiny.flatbuffer, tiny.info, tiny.golden)
    assert again == data, "the same parts give the same bytes"
    assert tiny.info.name == "tiny"
    assert tiny.golden.gray.shape[1:] == (224, 224) and tiny.golden.exported.dtype == np.int8
    assert np.abs(tiny.golden.reference).max() <= 1


def test_any_zip_tool_reads_the_metadata(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["edgecolor.json", "golden.npz", "SHA256SUMS"]
        assert archive.testzip() is None


def test_no_byte_can_change(data: bytes) -> None:
    tail = len(data) - 3000  # from here every byte: end of golden.npz, SHA256SUMS, central directory
    places = [4, 100, len(data) // 3, *np.linspace(5000, tail, 60, dtype=int), *range(tail, len(data))]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ModelFileError):
            parse(bytes(changed), "m.tflite")


@pytest.mark.parametrize("length", [0, 7, 8, 1000, 30_000, -22, -1])
def test_truncated(data: bytes, length: int) -> None:
    refused(data[:length])


@pytest.mark.parametrize("garbage", [b"\0", b"trailing garbage", b"\0" * 70_000])
def test_appended(data: bytes, garbage: bytes) -> None:
    refused(data + garbage)


def test_a_bare_flatbuffer_is_refused(tiny: ModelFile) -> None:
    assert "metadata" in refused(tiny.flatbuffer)


def test_another_network_under_this_metadata(tiny: ModelFile, data: bytes) -> None:
    other = bytearray(tiny.flatbuffer)
    other[-100] ^= 255
    swapped = bytes(other) + data[len(tiny.flatbuffer) :]
    assert "not the one that its metadata describes" in refused(swapped)
    longer = bytes(other) + b"\0" * 64 + data[len(tiny.flatbuffer) :]
    assert "not the one that its metadata describes" in refused(longer)


def rezip(flatbuffer: bytes, members: list[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(buffer, "a", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def members(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_must_be_exactly_as_expected(tiny: ModelFile, members: list[tuple[str, bytes]]) -> None:
    for wrong in (
        members[:2],
        members[1:],
        [*members, ("extra", b"x")],
        [*members, members[0]],
        members[::-1],
        [],
    ):
        refused(rezip(tiny.flatbuffer, wrong))
    refused(rezip(tiny.flatbuffer, members, zipfile.ZIP_DEFLATED))
    refused(rezip(tiny.flatbuffer, members))  # the right parts, but not the bytes that pack writes
    refused(rezip(tiny.flatbuffer + b"gap", members))


def with_document(model: ModelFile, document: dict[str, Any]) -> bytes:
    """Return a model file of this network with another edgecolor.json and correct sums."""
    with zipfile.ZipFile(io.BytesIO(pack(model.flatbuffer, model.info, model.golden))) as archive:
        golden = archive.read("golden.npz")
    own = {"format": 1, "flatbuffer_sha256": model.sha256}
    info = json.dumps(own | document).encode()
    parts = {"flatbuffer": model.flatbuffer, "edgecolor.json": info, "golden.npz": golden}
    sums = "".join(f"{hashlib.sha256(part).hexdigest()}  {name}\n" for name, part in parts.items())
    buffer = io.BytesIO(model.flatbuffer)
    members = {"edgecolor.json": info, "golden.npz": golden, "SHA256SUMS": sums.encode()}
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_parsed_shipped_file_is_packed_to_its_own_bytes(name: str) -> None:
    model = read_shipped(name)
    assert pack(model.flatbuffer, model.info, model.golden) == shipped_bytes(name)


def test_keys_of_a_newer_program_survive(tiny: ModelFile) -> None:
    """Format 1 allows unknown keys, at the top and inside the sections."""
    document = tiny.info.to_json()
    calibration = {"photographs": 20, "camera": "mine", "manifest_sha256": "0" * 64}
    newer = {"note": [1, {"a": None}], **document, "calibration": calibration, "saturation": 1}
    model = parse(with_document(tiny, newer), "newer")
    assert model.info.calibration == CalibrationInfo("0" * 64, 20)
    packed = pack(model.flatbuffer, model.info, model.golden)
    again = parse(packed, "again")
    assert list(again.info.to_json().items()) == list(newer.items())
    assert pack(again.flatbuffer, again.info, again.golden) == packed
    changed = replace(model.info, saturation=0.5, float_layers=("last",), check=PhotographSet("1" * 64, 3))
    expected = newer | {"saturation": 0.5, "float_layers": ["last"]}
    assert changed.to_json() == expected | {"check": {"manifest_sha256": "1" * 64, "photographs": 3}}
    assert "check" not in replace(ModelInfo.from_json(changed.to_json()), check=None).to_json()


def test_a_new_description_has_every_key(tiny: ModelFile) -> None:
    fresh = replace(read_shipped("s").info, document={})
    assert list(fresh.to_json().items()) == list(read_shipped("s").info.to_json().items())
    assert ModelInfo.from_json(fresh.to_json()) == fresh


def test_precisions_are_written_by_their_name() -> None:
    assert [f"{p}" for p in Precision] == ["int8", "int16x8", "float32", "float16", "dynamic"]
    assert json.dumps([Precision.INT8]) == '["int8"]'


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"precision": "int4"}, "precision"),
        ({"input": {"shape": [1, 128, 128, 1]}}, "[1, 224, 224, 1]"),
        ({"output": {"shape": [1, 56, 56, 3]}}, "[1, 56, 56, 2]"),
        ({"output": None}, "output"),
        ({"input": {"shape": [1, 224, 224, 1], "scale": "small"}}, "input has a wrong scale"),
        ({"saturation": "much"}, "saturation"),
        ({"saturation": -0.5}, "saturation"),
        ({"saturation": 10**400}, "saturation"),
        ({"name": 3}, "name"),
        ({"alpha": True}, "alpha"),
        ({"parameters": None}, "parameters"),
        ({"float_layers": "first"}, "float_layers"),
        ({"calibration": "mine"}, "calibration"),
        ({"calibration": {"photographs": 20}}, "calibration"),
        ({"check": {"manifest_sha256": 5, "photographs": 20}}, "check"),
        ({"fidelity": {"pictures": 24, "ab_difference": "small", "chroma_ratio": 1.0}}, "fidelity"),
        ({"format": 2}, "format 2"),
        ({"flatbuffer_sha256": "0" * 64}, "another network"),
    ],
)
def test_wrong_description(tiny: ModelFile, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelFileError, match=r"edgecolor\.json|shape|number") as caught:
        parse(with_document(tiny, tiny.info.to_json() | change), "m.tflite")
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["name", "precision", "ab_scale", "licence", "calibration"])
def test_missing_description(tiny: ModelFile, key: str) -> None:
    document = {k: v for k, v in tiny.info.to_json().items() if k != key}
    with pytest.raises(ModelFileError, match=f"lacks {key}"):
        parse(with_document(tiny, document), "m.tflite")


def test_wrong_golden_vectors(tiny: ModelFile) -> None:
    golden = tiny.golden
    floats = golden.exported.astype(np.float32)
    for wrong in (
        Golden(golden.gray[:, :100], golden.reference, golden.exported),
        Golden(golden.gray, golden.reference[:1], golden.exported),
        Golden(golden.gray, golden.reference, floats),
        Golden(golden.gray[:0], golden.reference[:0], golden.exported[:0]),
    ):
        with pytest.raises(ModelFileError, match="golden"):
            pack(tiny.flatbuffer, tiny.info, wrong)


def test_too_many_golden_vectors(tiny: ModelFile) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 224, 224), dtype=np.uint8)
    many = Golden(noise, np.zeros((3, 56, 56, 2), np.float32), np.zeros((3, 56, 56, 2), np.int8))
    with pytest.raises(ModelFileError, match=str(MAX_GOLDEN_BYTES)):
        pack(tiny.flatbuffer, tiny.info, many)


def test_files(tmp_path: Path, tiny_path: Path) -> None:
    assert read(tiny_path).sha256 == read(str(tiny_path)).sha256
    with pytest.raises(ModelFileError, match="no such model file"):
        read(tmp_path / "none.tflite")
    with pytest.raises(ModelFileError, match="a folder"):
        read(tmp_path)
    (tmp_path / "s.keras").write_bytes(b"PK\3\4 a zip, as Keras writes it")
    with pytest.raises(ModelFileError, match=r"edgecolor export \S+/s\.keras"):
        read(tmp_path / "s.keras")
    (tmp_path / "empty.tflite").touch()
    with pytest.raises(ModelFileError, match="TFL3"):
        read(tmp_path / "empty.tflite")
