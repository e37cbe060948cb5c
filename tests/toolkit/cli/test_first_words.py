"""Commands without what they need: they say what to add, with an example that runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from edgecolor.cli import main
from edgecolor_runtime.errors import EdgecolorError

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(params=["checkout", "elsewhere"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: one with the layout of the repository, or an empty one."""
    if request.param == "checkout":
        for name in ("examples", "models", "calibration"):
            (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def example(text: str) -> list[str]:
    """Return the words of the command at the end of a message of one line."""
    (line,) = text.splitlines()
    match = re.search(r"edgecolor: .*: edgecolor (.*)$", line)
    assert match is not None, line
    return shlex.split(match[1])


def test_run_names_an_example_that_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    assert main(example(capsys.readouterr().err)) == 0
    assert (folder / "colored.jpg").is_file()


def test_report_names_an_example_that_runs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[object, ...]] = []

    def compare(*words: object, **options: object) -> None:
        compared.append(words)
        raise EdgecolorError("not measured in a test")

    monkeypatch.setattr("edgecolor.compare", compare)
    assert main(["report"]) == 2
    assert main(example(capsys.readouterr().err)) == 1
    ((models, photographs, _),) = compared
    assert models == ["s", "m"] and Path(str(photographs)).is_dir()


def test_export_names_an_example(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--int8"]) == 2
    text = capsys.readouterr().err
    if (folder / "models").exists():
        words = ["export", "--int8", "models/s/s.keras", "-o", "s_int8.tflite"]
        assert example(text) == words  # models/s/s_int8.tflite exists
    else:
        assert "edgecolor export --int8 MODEL.keras" in text and "edgecolor train" in text


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["inspect", "missing.tflite"], "missing.tflite"),
        (["dataset", "missing", "-o", "prepared"], "missing"),
        (["run", "photos/a.jpg", "-m", "missing.tflite"], "missing.tflite"),
        (["demo", "-m", "missing.tflite"], "missing.tflite"),
        (["bundle", "--target", "trixie-arm64", "-o", "b.tar.gz", "-m", "missing.tflite"], "missing.tflite"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_names_what_is_wrong_first(
    words: list[str],
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(
        (REPOSITORY / "examples/photographs/kodim04.jpg").read_bytes()
    )
    monkeypatch.chdir(tmp_path)
    assert main(words) in (1, 2, 4, 5)
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"edgecolor: {missing}")
