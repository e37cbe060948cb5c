"""The documents: their commands parse, their Python runs, their links and paths exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from PIL import Image

import edgecolor
from edgecolor.cli import app

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")]
PYTHON_DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "edge_runtime/README.md"]

ARCHITECTURE = REPOSITORY / "ARCHITECTURE.md"
DECISIONS = sorted((REPOSITORY / "docs/decisions").glob("0*.md"))
ALL_DOCUMENTS = [
    *REPOSITORY.glob("*.md"),
    *(REPOSITORY / "docs").rglob("*.md"),
    *(REPOSITORY / "models").rglob("*.md"),
    *(REPOSITORY / name / "README.md" for name in ("calibration", "edge_runtime", "examples")),
]
CODE_ROOTS = [
    REPOSITORY,
    *(REPOSITORY / package for package in ("toolkit/edgecolor", "edge_runtime/edgecolor_runtime")),
]

HOSTED = [
    *(REPOSITORY / ".github").rglob("*.yml"),
    *(REPOSITORY / name for name in (".pre-commit-config.yaml", "CITATION.cff")),
]


def relative_name(document: Path) -> str:
    return document.relative_to(REPOSITORY).as_posix()


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def shell_lines(document: Path) -> list[list[str]]:
    """Return the commands of a document's bash blocks, each as a list of words."""
    text = "\n".join(blocks(document, "bash")).replace("\\\n", " ")
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def edgecolor_commands() -> list[list[str]]:
    return [
        words[1:]
        for document in ALL_DOCUMENTS
        for words in shell_lines(document)
        if words[0] == "edgecolor" and not words[1].startswith("-")
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_make_targets_exist(document: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("path", HOSTED, ids=relative_name)
def test_hosted_files_are_yaml(path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="Ray brings it with the [dev] extra")
    content = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(content, dict)
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    steps = [step for job in content.get("jobs", {}).values() for step in job["steps"]]
    for line in (line for step in steps for line in step.get("run", "").splitlines()):
        assert not line.startswith("make ") or f"\n{line.split()[-1]}:" in makefile, line


def test_the_shown_configurations_are_yaml() -> None:
    yaml = pytest.importorskip("yaml", reason="Ray brings it with the [dev] extra")
    shown = [block for document in ALL_DOCUMENTS for block in blocks(document, "yaml")]
    assert shown
    for block in shown:
        assert isinstance(yaml.safe_load(block), dict)


def test_hosted_checks_cover_the_supported_systems_and_pythons() -> None:
    yaml = pytest.importorskip("yaml", reason="Ray brings it with the [dev] extra")
    jobs = yaml.safe_load((REPOSITORY / ".github/workflows/checks.yml").read_text("utf-8"))["jobs"]
    for name, expected in (("runtime", {"ubuntu", "windows", "macos"}), ("desktop", {"windows", "macos"})):
        systems = {system.partition("-")[0] for system in jobs[name]["strategy"]["matrix"]["os"]}
        assert systems == expected
    commands = [step["run"] for job in ("desktop", "runtime") for step in jobs[job]["steps"] if "run" in step]
    assert not any(command.startswith(("make", "bash", "./")) for command in commands)
    for word in " ".join(commands).split():
        if word.startswith(("tests/", "examples/")):
            assert (REPOSITORY / word).exists()
    assert jobs["runtime"]["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12", "3.13", "3.14"]


def test_citation_names_the_version() -> None:
    yaml = pytest.importorskip("yaml", reason="Ray brings it with the [dev] extra")
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == edgecolor.__version__
    assert citation["authors"] == [{"name": "The edgecolor authors"}]


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
    """The real command line parses each command, without running it."""
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


@pytest.mark.parametrize("document", ALL_DOCUMENTS, ids=relative_name)
def test_local_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", document.read_text("utf-8"))
    local = [(link, anchor) for link, anchor in links if "://" not in link]
    broken = [link for link, _ in local if not (document.parent / link).exists()]
    assert broken == []
    for link, anchor in local:
        target = document.parent / link if link else document
        if anchor and target.suffix == ".md":
            assert anchor[1:] in anchors(target), f"{relative_name(target)} has no heading {anchor}"


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, in GitHub's form."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {*plain, *(f"{anchor}-1" for anchor in plain if plain.count(anchor) > 1)}


@pytest.mark.parametrize("document", [ARCHITECTURE, *DECISIONS], ids=relative_name)
def test_named_files_exist(document: Path) -> None:
    named = re.findall(r"`([\w./-]+/[\w./-]*)`", document.read_text("utf-8"))
    missing = [
        name
        for name in named
        if "NAME" not in name and not any((root / name).exists() for root in CODE_ROOTS)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DECISIONS, ids=relative_name)
def test_decision_records_have_their_sections(document: Path) -> None:
    text = document.read_text("utf-8")
    assert re.match(r"# \d+\. ", text) and int(document.name[:4]) == int(text[2:].partition(".")[0])
    assert re.search(r"^- Status: (accepted|replaced by \d+)(; .*)?$", text, re.MULTILINE)
    assert re.search(r"^- Date: \d{4}-\d\d-\d\d", text, re.MULTILINE)
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections == ["Context", "Decision", "Alternatives", "Consequences", "Code"]
    assert f"({document.name})" in (document.parent / "README.md").read_text("utf-8")
