"""Completion of commands, options and model names in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shells of POSIX systems")

BASH = shutil.which("bash")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has a program `edgecolor`, as an installation has."""
    program = tmp_path / "bin" / "edgecolor"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom edgecolor.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}


def complete(line: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """Return what bash offers for the last word of a line, after `eval "$(edgecolor --show-completion)"`."""
    words = line.split(" ")
    script = (
        'eval "$(edgecolor --show-completion)"\n'
        f"COMP_WORDS=({' '.join(word or chr(39) * 2 for word in words)}); COMP_CWORD={len(words) - 1}\n"
        "_edgecolor_completion edgecolor\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    assert BASH is not None
    done = subprocess.run(
        [BASH, "--norc", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("edgecolor exp", ["export"]),
        ("edgecolor run --cam", ["--camera"]),
        ("edgecolor run --engine ", ["local", "ray"]),
        ("edgecolor run -m ", ["s", "m", "mine.tflite"]),
        ("edgecolor check m", ["m", "mine.tflite"]),
        ("edgecolor bench s ", ["s", "m", "mine.tflite"]),
        ("edgecolor check models/o", ["models/other.tflite"]),
    ],
)
def test_bash_completes(line: str, offered: list[str], tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "here"
    (folder / "models").mkdir(parents=True)
    for name in ("mine.tflite", "models/other.tflite", "photo.jpg"):
        (folder / name).touch()
    assert complete(line, folder, environment) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_offered_the_commands(shell: str, environment: dict[str, str]) -> None:
    """The program answers in the form that the completion script of each shell expects."""
    variables = {
        "_EDGECOLOR_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "edgecolor exp",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "edgecolor exp",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        ["edgecolor"], env={**environment, **variables}, capture_output=True, text=True, check=True
    )
    assert "export" in done.stdout and "train" not in done.stdout and done.stderr == ""
