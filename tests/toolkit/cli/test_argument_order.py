"""An error names the first argument that is wrong, not what comes after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecolor.cli import main


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("export gone.keras -o out.tflite", "gone.keras: no such file"),
        ("export gone.tflite --edgetpu -o out.tflite", "gone.tflite: no such model file"),
        ("check gone.tflite --reference gone.keras", "gone.tflite: no such model file"),
        ("check s --reference gone.keras", "gone.keras: no such file"),
        ("evaluate gone.keras nowhere -o taken.json", "gone.keras: no such file"),
        ("evaluate s nowhere -o taken.json", "nowhere: no such folder"),
        ("bench gone.tflite -o taken.json", "gone.tflite: no such model file"),
        ("compare s gone.tflite --data nowhere -o taken.json", "gone.tflite: no such model file"),
        ("compare s --data nowhere -o taken.json", "nowhere: no such folder"),
        ("report gone.json -o taken.json", "gone.json: No such file"),
        ("tune gone.keras nowhere -o out", "gone.keras: no such file"),
        ("prune gone.keras nowhere -o out", "gone.keras: no such file"),
        ("train nowhere -o out --start gone.keras", "nowhere: not a prepared dataset"),
        ("run gone.jpg -o out.jpg --model gone.tflite", "gone.jpg: No such file"),
        ("run gone.mp4 -o out.mp4 --model gone.tflite", "gone.mp4: No such file"),
        ("run --camera gone.mp4 --model gone.tflite", "gone.mp4: no such file"),
    ],
)
def test_the_first_wrong_argument_is_named(
    words: str,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.json").touch()
    assert main(words.split()) in (1, 4, 5)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(f"edgecolor: {named}")
    assert captured.err.count("\n") == 1
