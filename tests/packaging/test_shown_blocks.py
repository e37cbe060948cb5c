"""The code blocks of the README and of the tutorials can be executed, and the tutorials show what happens."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .shown_blocks import EXECUTED, REPOSITORY, Session, matches, read_blocks, script

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs/tutorials").glob("*.md"))]
TUTORIALS = DOCUMENTS[1:]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_block_can_be_executed(document: Path) -> None:
    blocks = read_blocks(document)
    assert [block.language for block in blocks]
    for block in blocks:
        assert script(block)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```\nls\n```\n", "no language"),
        ("```ruby\nputs 1\n```\n", "ruby"),
        ("```bash\nls\n", "does not end"),
        ("<!-- test\nbefore: ls\n-->\n```bash\nls\n```\n", "needs one reason"),
        ("<!-- test\nbecause: x\ninstead of: ls\n-->\n```bash\nls\n```\n", "a command for each line"),
        ("<!-- test\nbecause: x\nskip: ls\n-->\n```bash\nls\n```\n", "not a line of a test comment"),
    ],
)
def test_a_block_that_cannot_be_executed_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(ValueError, match=problem):
        read_blocks(tmp_path / "page.md")


def test_a_replaced_line_must_exist(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "<!-- test\nbecause: no camera\ninstead of: show me\nrun: true\n-->\n```bash\nshow you  # now\n```\n"
    )
    with pytest.raises(ValueError, match="no line 'show me'"):
        script(read_blocks(tmp_path / "page.md")[0])


def test_outputs_are_compared() -> None:
    shown = "12 of 13 colored in 0.5 s\n...\n1 failed: ... damaged\n"
    assert matches(shown, "9 of 10 colored in 21.25 s\nany\nthing\n7 failed: a.jpg is damaged\n")
    assert matches(shown, "9 of 10 colored in 21.25 s\n7 failed: a.jpg is damaged")
    assert not matches(shown, "9 of 10 colored in 21.25 s\n7 failed: a.jpg is missing\n")
    assert matches("first\n...\n", "first\nsecond\nthird\n")
    assert not matches("first\n...\n", "second\nthird\n")
    assert not matches(shown, "none of 10 colored in 21.25 s\n7 failed: a.jpg is damaged\n")


@pytest.mark.slow
@pytest.mark.parametrize("document", TUTORIALS, ids=lambda path: path.stem)
def test_blocks_do_what_the_tutorial_shows(document: Path, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    session = Session(tmp_path)
    for block in read_blocks(document):
        if block.language in EXECUTED:
            outcome = session.run(block)
            where = f"{document.name}:{block.line}, {outcome.seconds:.0f} s\n{outcome.output}"
            print(where)
            assert outcome.exit_code == block.directive.exit_code, where
            assert block.expected is None or matches(block.expected, outcome.output), where
