"""The calibration set: what is verified, what is refused, and its identity."""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.data.calibration import MANIFEST, read_calibration, representative
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT, network_input

SHIPPED = Path(__file__).parents[3] / "calibration"
FREE = {"CC0-1.0", "Public domain", "CC-BY-4.0", "CC-BY-2.0"}


def rows() -> list[dict[str, str]]:
    with (SHIPPED / MANIFEST).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty of the shipped pictures with their manifest."""
    some = rows()[:20]
    for row in some:
        shutil.copy(SHIPPED / row["file"], tmp_path)
    write_manifest(tmp_path, some)
    return tmp_path


def write_manifest(folder: Path, some: list[dict[str, str]]) -> None:
    with (folder / MANIFEST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(some[0]))
        writer.writeheader()
        writer.writerows(some)


def test_the_shipped_set_is_intact_large_enough_and_free_to_ship() -> None:
    calibration = read_calibration(SHIPPED)
    assert len(calibration.names) >= 100
    assert calibration.gray.shape == (len(calibration.names), 224, 224)
    for row in rows():
        assert row["licence"] in FREE
        assert row["source"]
        if row["licence"].startswith("CC-BY"):
            assert "by " in row["attribution"], f"{row['file']}: CC BY asks for the author's name"


def test_the_network_gets_what_the_device_gives_it(folder: Path) -> None:
    calibration = read_calibration(folder)
    luma = Image.open(folder / calibration.names[0]).convert("L")
    np.testing.assert_array_equal(calibration.gray[0], np.asarray(luma))
    inputs = [x for (x,) in representative(calibration.gray)]
    assert len(inputs) == 20
    assert inputs[0].shape == (1, 224, 224, 1)
    assert inputs[0].dtype == np.float32
    np.testing.assert_array_equal(inputs[0][0, ..., 0], NETWORK_INPUT[np.asarray(luma)])
    np.testing.assert_array_equal(np.concatenate(inputs), network_input(calibration.gray))


def test_identity_is_of_names_and_contents_not_of_the_place(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = read_calibration(folder).sha256
    (folder / MANIFEST).unlink()
    assert read_calibration(folder).sha256 == first, "without the manifest the set is the same"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for picture in sorted(folder.glob("*.jpg"), reverse=True):
        shutil.copy(picture, elsewhere)
    assert read_calibration(elsewhere).sha256 == first
    by_hand = "".join(
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(folder.glob("*.jpg"))
    )
    assert first == hashlib.sha256(by_hand.encode()).hexdigest()
    (elsewhere / "001.jpg").rename(elsewhere / "zzz.jpg")
    assert read_calibration(elsewhere).sha256 != first


def test_a_changed_picture_is_named(folder: Path) -> None:
    Image.new("RGB", (224, 224), "red").save(folder / "007.jpg")
    with pytest.raises(DataError, match=r"007\.jpg: changed"):
        read_calibration(folder)


def test_a_missing_picture_is_named(folder: Path) -> None:
    (folder / "003.jpg").unlink()
    with pytest.raises(DataError, match=r"003\.jpg: No such file"):
        read_calibration(folder)


def test_an_unlisted_picture_is_named(folder: Path) -> None:
    shutil.copy(folder / "001.jpg", folder / "another.jpg")
    with pytest.raises(DataError, match=r"another\.jpg: not in manifest\.csv"):
        read_calibration(folder)


def test_a_broken_picture_is_named(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / "005.jpg").write_bytes((folder / "005.jpg").read_bytes()[:3000])
    with pytest.raises(DataError, match=r"005\.jpg.*Remove this picture"):
        read_calibration(folder)


@pytest.mark.parametrize("text", ["", "file,hash\n001.jpg,00\n", "\x00\x01", "file,sha256\n001.jpg\n"])
def test_another_csv_is_not_a_manifest(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest\.csv|not in"):
        read_calibration(folder)


def test_a_manifest_names_no_file_outside_its_folder(folder: Path) -> None:
    some = rows()[:20]
    some[0]["file"] = "../secret.jpg"
    write_manifest(folder, some)
    (folder / "001.jpg").unlink()
    with pytest.raises(DataError, match="plain file name"):
        read_calibration(folder)


def test_a_name_listed_twice_is_refused(folder: Path) -> None:
    write_manifest(folder, [*rows()[:20], rows()[0]])
    with pytest.raises(DataError, match="listed once"):
        read_calibration(folder)


def test_too_few_pictures(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="0 pictures; calibration needs at least 20"):
        read_calibration(empty)
    (folder / MANIFEST).unlink()
    (folder / "001.jpg").unlink()
    with pytest.raises(DataError, match="19 pictures"):
        read_calibration(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such calibration folder"):
        read_calibration(tmp_path / "nowhere")
