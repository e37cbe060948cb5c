"""The one-file model: nothing in it is used unless all of it is as it was written."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecolor_runtime import Golden, ModelFile, ModelFileError, pack, parse, read
from edgecolor_runtime.models.model_file import GOLDEN_LIMIT


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
    assert tiny.info["name"] == "tiny" and tiny.info["flatbuffer_sha256"] == tiny.sha256
    assert tiny.golden.gray.shape[1:] == (224, 224) and tiny.golden.exported.dtype == np.int8
    assert np.abs(tiny.golden.reference).max() <= 1


def test_any_zip_tool_reads_the_metadata(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["edgecolor.json", "golden.npz", "SHA256SUMS"]
        assert archive.testzip() is None


def test_no_byte_can_change(data: bytes) -> None:
    tail = len(data) - 3000  # SHA256SUMS, the central directory, and the end of golden.npz: every byte
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
def test_members_must_be_exactly_ours(tiny: ModelFile, members: list[tuple[str, bytes]]) -> None:
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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"precision": "int4"}, "precision"),
        ({"input": {"shape": [1, 128, 128, 1]}}, "[1, 224, 224, 1]"),
        ({"output": {"shape": [1, 56, 56, 3]}}, "[1, 56, 56, 2]"),
        ({"output": None}, "output"),
        ({"input": {"shape": [1, 224, 224, 1], "scale": "small"}}, "no number"),
        ({"saturation": "much"}, "saturation"),
        ({"saturation": -0.5}, "saturation"),
        ({"saturation": 10**400}, "saturation"),
        ({"name": 3}, "name"),
    ],
)
def test_wrong_description(tiny: ModelFile, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelFileError, match=r"edgecolor\.json|shape|number") as caught:
        pack(tiny.flatbuffer, tiny.info | change, tiny.golden)
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["name", "precision", "ab_scale", "licence", "calibration"])
def test_missing_description(tiny: ModelFile, key: str) -> None:
    info = {k: v for k, v in tiny.info.items() if k != key}
    with pytest.raises(ModelFileError, match=f"lacks {key}"):
        pack(tiny.flatbuffer, info, tiny.golden)


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
    with pytest.raises(ModelFileError, match=str(GOLDEN_LIMIT)):
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
