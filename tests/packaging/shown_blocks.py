"""The code blocks of a document, and a session that executes them in order, as a reader does.

A comment before a block says what the test does differently, and why. Readers do not see it:

    <!-- test
    because: needs a camera
    before: make-film film.mp4
    instead of: edgecolor run --camera
    run: serve-briefly edgecolor run --camera film.mp4 --port 0
    exit: 1
    -->

`before` is a command that runs first, in the same shell. `instead of` is a line of the block, without its
comment, and `run` the nearest command that works everywhere. `exit` is the exit code of the block's last
command. A `text` block after a `bash` block is what that block prints: numbers may differ, and `...` stands
for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / "tests/packaging/document_tools"
EXECUTED = {"bash", "python"}
LANGUAGES = {*EXECUTED, "bat", "ini", "text"}

# How this machine reaches its package index. A stranger's machine has its own settings.
NETWORK = re.compile(r"(?i)PIP_.*|.*_PROXY|SSL_CERT_.*|REQUESTS_CA_BUNDLE")

_BLOCK = re.compile(
    r"(?:^[ ]*<!-- test\n(?P<directive>.*?)^[ ]*-->\n+)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<source>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Directive:
    """What the test does differently.

    Attributes:
        because: the reason.
        before: commands that run before the block.
        replacements: line of the block -> the command that runs instead.
        exit_code: the expected exit code.
    """

    because: str = ""
    before: tuple[str, ...] = ()
    replacements: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0


@dataclass(frozen=True)
class Block:
    """A code block of a document.

    Attributes:
        line: number of its first line in the document.
        language: bash or python, which are executed, or another one of LANGUAGES.
        source: its lines, without the indentation of the block.
        directive: what the test does differently.
        expected: what it prints; None: not shown.
    """

    line: int
    language: str
    source: str
    directive: Directive
    expected: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a block did: its exit code, its output, and the seconds it took."""

    exit_code: int
    output: str
    seconds: float


def read_blocks(document: Path) -> list[Block]:
    """Return the code blocks of a document, in order. An output belongs to the block before it.

    Raises:
        ValueError: a language or a directive is not valid.
    """
    text = document.read_text("utf-8")
    blocks: list[Block] = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("source"))
        source = re.sub(rf"^{match['indent']}", "", match["source"], flags=re.MULTILINE)
        if match["language"] not in LANGUAGES:
            raise ValueError(f"{document.name}:{line}: {match['language'] or 'no language'}")
        if match["language"] == "text":
            before = blocks.pop()
            blocks.append(Block(before.line, before.language, before.source, before.directive, source))
        else:
            blocks.append(Block(line, match["language"], source, _read_directive(match["directive"] or "")))
    if len(blocks) + text.count("```text\n") != len(re.findall(r"^ *```\w+$", text, re.MULTILINE)):
        raise ValueError(f"{document.name}: a block does not end, or a comment before a block is not valid")
    return blocks


def _read_directive(text: str) -> Directive:
    pairs = [tuple(line.strip().split(": ", 1)) for line in text.splitlines()]
    values: dict[str, list[str]] = {}
    for pair in pairs:
        if len(pair) != 2 or pair[0] not in ("because", "before", "instead of", "run", "exit"):
            raise ValueError(f"not a line of a test comment: {pair}")
        values.setdefault(pair[0], []).append(pair[1])
    lines, commands = values.get("instead of", []), values.get("run", [])
    if text and (len(values.get("because", [])) != 1 or len(lines) != len(commands)):
        raise ValueError(f"a test comment needs one reason, and a command for each line it replaces: {text}")
    return Directive(
        "".join(values.get("because", [])),
        tuple(values.get("before", [])),
        dict(zip(lines, commands, strict=True)),
        int(values.get("exit", ["0"])[0]),
    )


def script(block: Block) -> str:
    """Return the commands that the test executes for a block.

    Raises:
        ValueError: a line that should be replaced is not in the block.
    """
    lines, replacements = [*block.directive.before], dict(block.directive.replacements)
    for line in block.source.splitlines():
        plain = re.sub(r"\s+#.*", "", line).strip()
        lines.append(replacements.pop(plain, line))
    if replacements:
        raise ValueError(f"line {block.line}: the block has no line {next(iter(replacements))!r}")
    return "\n".join(lines) + "\n"


def matches(expected: str, output: str) -> bool:
    """Return whether an output is as shown: with any numbers, and with anything in the place of `...`."""
    pattern = ""
    for part in re.split(r"(\.\.\.\n|\.\.\.|\d+(?:\.\d+)*)", expected.strip() + "\n"):
        if part.startswith("..."):
            pattern += r"(?:.*\n)*?" if part.endswith("\n") else ".*"
        else:
            pattern += r"\d+(?:\.\d+)*" if part[:1].isdigit() else re.escape(part)
    lines = [line.rstrip() for line in output.strip().splitlines()]
    return re.fullmatch(pattern, "\n".join(lines) + "\n") is not None


class Session:
    """A shell with an empty environment, in a copy of the repository. Its settings last from block to block.

    $TOOLS is on the PATH. It holds `python3` (without packages), `python` (with those of the tests),
    `edgecolor` (this working copy), `edgetpu_compiler` (a stand-in) and the programs of document_tools.

    Args:
        folder: an empty folder; the copy is its subfolder `edgecolor`.
    """

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "edgecolor"
        self._folder = folder
        _copy_repository(self.checkout)
        tools = folder / "tools"
        tools.mkdir()
        (tools / "python3").symlink_to(Path(sys.executable).resolve())
        paths = ":".join(str(REPOSITORY / part) for part in ("toolkit", "edge_runtime"))
        python = [f"PYTHONPATH={paths}", sys.executable]
        compiler = REPOSITORY / "tests/toolkit/exporting/edgetpu_compiler.py"
        for name, command in {
            "python": python,
            "edgecolor": [*python, "-m", "edgecolor"],
            "make-film": [*python, str(TOOLS / "make_film.py")],
            "make-scans": [*python, str(TOOLS / "make_scans.py")],
            "serve-briefly": [*python, str(TOOLS / "serve_briefly.py")],
            "edgetpu_compiler": [*python, str(compiler)],
        }.items():
            (tools / name).write_text(f'#!/bin/sh\nexec env {shlex.join(command)} "$@"\n')
            (tools / name).chmod(0o755)
        self._environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONUNBUFFERED": "1",
            "TOOLS": str(tools),
            **{name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)},
        }
        self._current = self.checkout

    def run(self, block: Block) -> Outcome:
        """Execute a block of bash or Python."""
        source = script(block)
        if block.language == "python":
            (self._folder / "block.py").write_text(source, "utf-8")
            source = f"python {self._folder / 'block.py'}\n"
        state = self._folder / "state"
        keep = f"trap 'code=$?; pwd > {state}.pwd; env -0 > {state}.env; exit $code' EXIT\n"
        start = time.monotonic()
        done = subprocess.run(
            ["bash", "-e", "-c", keep + source],
            cwd=self._current,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        seconds = time.monotonic() - start
        self._current = Path((self._folder / "state.pwd").read_text("utf-8").rstrip("\n"))
        pairs = (self._folder / "state.env").read_text("utf-8").split("\0")[:-1]
        self._environment = dict(pair.split("=", 1) for pair in pairs)
        return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), seconds)


def _copy_repository(target: Path) -> None:
    """Clone the repository, and copy files that were changed since the last commit."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, target], check=True)
    changed = subprocess.run(
        ["git", "ls-files", "--modified", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in changed.stdout.split("\0")[:-1]:
        if (REPOSITORY / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((REPOSITORY / name).read_bytes())
