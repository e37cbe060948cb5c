"""Every command that writes a new file or folder ends with exit code 2 if its output exists already."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from edgecolor.cli import main

TESTS = Path(__file__).parents[2]
TINY = str(TESTS / "edge_runtime" / "data" / "tiny-int8.tflite")
NETWORK = str(TESTS.parent / "models" / "s" / "s.keras")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photograph, in which the outputs exist already."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "photos" / "a.jpg")
    (tmp_path / "colored").mkdir()
    (tmp_path / "dataset").mkdir()
    for name in ("colored/a.jpg", "colored.jpg", "m.tflite", "r.json", "r.html", "s.jpg", "b.tar.gz"):
        (tmp_path / name).write_text("mine")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["run", "photos/a.jpg", "-o", "colored.jpg", "--model", TINY],
        ["run", "photos", "-o", "colored", "--model", TINY],
        ["dataset", "photos", "-o", "dataset"],
        ["export", NETWORK, "--calibration", "photos", "-o", "m.tflite"],
        ["evaluate", TINY, "photos", "-o", "r.json"],
        ["evaluate", TINY, "photos", "--sheet", "s.jpg"],
        ["bench", TINY, "-o", "r.json"],
        ["report", "r.json", "-o", "r.html"],
        ["compare", TINY, "--data", "photos", "-o", "r.html"],
        ["bundle", "--target", "trixie-arm64", "-o", "b.tar.gz"],
    ],
    ids=lambda words: " ".join(word for word in words if "/" not in word or word.startswith("photos")),
)
def test_an_existing_output_is_a_usage_error(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert " exists" in capsys.readouterr().err
    texts = [path.read_text() for path in folder.glob("*.*")] + [(folder / "colored/a.jpg").read_text()]
    assert set(texts) == {"mine"} and list((folder / "dataset").iterdir()) == []
