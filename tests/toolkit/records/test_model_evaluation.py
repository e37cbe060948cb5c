"""The identity of the evaluated file, and the choice of thumbnails."""

from __future__ import annotations

from pathlib import Path

from edgecolor.records.identity import identify
from edgecolor.records.thumbnails import choose_thumbnails

TESTS = Path(__file__).parents[2]


def test_thumbnails_are_spread_and_the_same_for_every_model(tmp_path: Path) -> None:
    for i in range(20):
        (tmp_path / f"{i:02d}.jpg").touch()
    assert choose_thumbnails(tmp_path, "*") == ("00.jpg", "03.jpg", "06.jpg", "10.jpg", "13.jpg", "16.jpg")
    assert choose_thumbnails(tmp_path, "1[89]*") == ("18.jpg", "19.jpg")


def test_a_keras_is_identified_by_its_file_and_sidecar() -> None:
    path = TESTS.parent / "models/s/s.keras"
    identity = identify(str(path))
    assert (identity.file, identity.name, identity.precision, identity.alpha) == (
        "s.keras",
        "s",
        "float32",
        0.25,
    )
    assert (identity.flatbuffer_sha256, identity.parameters, identity.bytes) == (
        None,
        None,
        path.stat().st_size,
    )
