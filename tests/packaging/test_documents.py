"""What the documents say: every command in them exists, and the Python in them runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from PIL import Image

from edgecolor.cli import app

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")]
PYTHON_DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "edge_runtime/README.md"]


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def shell_lines(document: Path) -> list[list[str]]:
    """The commands of a document's bash blocks, as words."""
    text = "\n".join(blocks(document, "bash")).replace("\\\n", " ")
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def edgecolor_commands() -> list[list[str]]:
    return [words[1:] for document in DOCUMENTS for words in shell_lines(document) if words[0] == "edgecolor"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_make_targets_exist(document: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= targets


def test_contributing_explains_every_target() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    text = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
    assert [target for target in phony.split() if f"`make {target}`" not in text] == []


def test_ci_calls_the_test_command_of_the_readme() -> None:
    assert ["make", "test"] in shell_lines(REPOSITORY / "README.md")
    assert re.search(r"^make test$", (REPOSITORY / ".ci/run").read_text("utf-8"), re.MULTILINE)


def test_readme_shows_the_commands() -> None:
    assert {words[0] for words in edgecolor_commands()} >= {"dataset", "train", "export", "evaluate", "run"}


@pytest.mark.parametrize("words", edgecolor_commands(), ids=" ".join)
def test_shown_command_parses(words: list[str]) -> None:
    """Each is parsed by the real command line, and not carried out."""
    group = typer.main.get_command(app)
    with group.make_context("edgecolor", list(words)) as context:
        name, command, rest = group.resolve_command(context, list(words))  # type: ignore[attr-defined]
        assert name == words[0]
        with command.make_context(name, rest, parent=context):
            pass


@pytest.mark.parametrize("document", PYTHON_DOCUMENTS, ids=lambda path: path.parent.name)
def test_shown_python_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((320, 200)).save("old.jpg")
    sources = blocks(document, "python")
    assert sources
    for source in sources:
        exec(compile(source, document.name, "exec"), {})
    with Image.open("old.color.jpg") as colored:
        assert (colored.size, colored.mode) == ((320, 200), "RGB")


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, REPOSITORY / "examples/README.md", REPOSITORY / "docs/raspberry-pi.md"],
    ids=lambda path: str(path.name),
)
def test_local_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8"))
    local = [link for link in links if "://" not in link]
    assert local
    assert [link for link in local if not (document.parent / link).exists()] == []
