"""The table of promises in SECURITY.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROVED_BY = re.findall(r"\| `(tests/[\w/]+\.py)::(\w+)` \|", (ROOT / "SECURITY.md").read_text("utf-8"))


def test_the_table_is_there() -> None:
    rows = re.findall(r"^\|.*`tests/.*$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(PROVED_BY) == len(set(PROVED_BY)) > 20


@pytest.mark.parametrize(("path", "name"), PROVED_BY)
def test_each_named_test_exists(path: str, name: str) -> None:
    functions = ast.parse((ROOT / path).read_text("utf-8")).body
    assert name in {node.name for node in functions if isinstance(node, ast.FunctionDef)}
