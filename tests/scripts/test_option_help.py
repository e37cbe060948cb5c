"""The list of all help texts: every option of every command is on one line, and follows the style guide."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

LINES = runpy.run_path(str(Path(__file__).parents[2] / "scripts/option_help.py"))["option_lines"]


def test_every_option_is_on_one_line() -> None:
    lines = list(LINES([]))
    assert all("\n" not in line for line in lines)
    assert any(line.startswith("run --frames N: Stop after N frames.") for line in lines)
    assert {line.split()[0].rstrip(":") for line in lines} >= {"run", "train", "export", "report"}


def test_one_command() -> None:
    assert all(line.startswith("bench") for line in LINES(["bench"]))
    with pytest.raises(SystemExit, match="no command paint"):
        list(LINES(["paint"]))


def test_help_is_a_noun_phrase_or_an_imperative() -> None:
    for line in LINES([]):
        text = line.partition(": ")[2]
        assert re.match(r"[A-Z.`]|[a-z0-9]+ \(|(s|int8|float32|one)\b", text), line
        assert "else" not in text.split(), line
