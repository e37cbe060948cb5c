"""The documentation site: its navigation is complete, and links to files outside docs/ are adjusted."""

from __future__ import annotations

import ast
import json
import re
import runpy
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
HOOKS = runpy.run_path(str(REPOSITORY / "scripts/docs_site.py"))


def read_settings() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="MkDocs and Ray bring it with the [dev] extra")
    settings: dict[str, Any] = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text("utf-8"))
    return settings


def pages_of(entry: Any) -> Iterator[str]:
    """Yield the pages of an entry of the navigation."""
    if isinstance(entry, str):
        yield entry
    for inner in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
        yield from pages_of(inner)


def test_navigation_has_every_page_once() -> None:
    pages = list(pages_of(read_settings()["nav"]))
    assert len(pages) == len(set(pages))
    documents = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert {page for page in pages if not page.startswith("repository/")} == documents
    outside = {page.removeprefix("repository/") for page in pages if page.startswith("repository/")}
    assert outside <= set(HOOKS["find_outside_files"]())


def test_site_is_strict_and_loads_nothing_from_other_hosts() -> None:
    settings = read_settings()
    assert settings["strict"] is True
    assert settings["theme"]["font"] is False
    assert "extra_javascript" not in settings
    assert all((DOCS / style).is_file() for style in settings["extra_css"])
    for element in ('<script src="https://a.example/b.js">', "<link rel=stylesheet href=//a.example/c.css>"):
        with pytest.raises(ValueError, match=r"a\.example"):
            HOOKS["refuse_other_hosts"](element, "index.html")
    HOOKS["refuse_other_hosts"]('<a href="https://a.example"><script src="d.js">', "index.html")


def test_a_wide_table_scrolls_in_a_group_that_the_keyboard_reaches() -> None:
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="page.md"))
    html = HOOKS["on_post_page"]("<p>a</p><table><tr></tr></table>", page)
    assert re.fullmatch(r'<p>a</p><div [^>]*tabindex="0"><table><tr></tr></table></div>', html)


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        ("README.md", "[a](../ARCHITECTURE.md#data)", "[a](repository/ARCHITECTURE.md#data)"),
        ("tutorials/own-network.md", "[i](../../README.md#install)", "[i](../repository/README.md#install)"),
        ("repository/README.md", "![p](docs/demo.jpg)", "![p](../demo.jpg)"),
        ("concepts/gates.md", "[m](../../models/m/README.md)", "[m](../repository/models/m/README.md)"),
        ("concepts/gates.md", "[c](calibration.md)", "[c](calibration.md)"),
        ("how-to/raspberry-pi.md", "[e](../../tests/emulated/emulate.py)", "e"),
        ("repository/models/README.md", "[s](s/README.md)", "[s](s/README.md)"),
        ("repository/models/m/README.md", "![sheet](sheet.jpg)", "![sheet](sheet.jpg)"),
        (
            "repository/models/README.md",
            "[d](../docs/concepts/gates.md)",
            "[d](../../concepts/gates.md)",
        ),
        ("README.md", "[gone](gone.md)", "[gone](gone.md)"),  # the build reports it
        ("README.md", "[web](https://example.org/a.md)", "[web](https://example.org/a.md)"),
    ],
)
def test_links_lead_to_the_site(page: str, before: str, after: str) -> None:
    assert HOOKS["adjust_links"](before, page) == after


@pytest.mark.parametrize("name", ["s", "m"])
def test_readme_shows_the_measured_quality(name: str) -> None:
    folder = REPOSITORY / "models" / name
    plane = json.loads((folder / "measurements.json").read_text("utf-8"))["plane"]
    size = (folder / f"{name}_int8.tflite").stat().st_size
    (row,) = re.findall(rf"^\| `{name}`: .*$", (REPOSITORY / "README.md").read_text("utf-8"), re.MULTILINE)
    assert f"| {size / 1000:.0f} kB |" in row
    assert f"| {plane['g56']:+.2f} dB |" in row


def strings_of_the_code() -> list[str]:
    """Return the strings in the code of both packages; a NUL stands for each value of an f-string."""
    strings = []
    for folder in ("toolkit/edgecolor", "edge_runtime/edgecolor_runtime"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
                    strings.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    strings.append(node.value)
    return strings


def test_troubleshooting_quotes_messages_of_the_code() -> None:
    text = (DOCS / "troubleshooting.md").read_text("utf-8")
    messages = re.findall(r"^### `(.*)`$", text, re.MULTILINE)
    assert len(messages) >= 20
    assert text.count("\nCause: ") == len(messages)
    strings = strings_of_the_code()
    for message in messages:
        parts = [re.escape(part) for part in message.split("...")]
        pattern = re.compile(".*".join(parts), re.DOTALL)
        assert any(pattern.search(string) for string in strings), message
