"""What an examination says, and what it looks at."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from edgecolor.support.child_process import ChildResult, run_program
from edgecolor_runtime.errors import MissingError
from edgecolor_runtime.system.machine import ROOT

CHILD_SECONDS = 120  # time limit of a child process; imports take seconds on a board with a slow SD card


@dataclass(frozen=True)
class Finding:
    """One line about this machine.

    Attributes:
        about: what was examined.
        state: "note": it works, but less than it could; "problem": something does not work.
        text: what was found.
        mend: the command, or the step, that mends it.
        code: exit code of a problem; else 0.
    """

    about: str
    state: Literal["ok", "note", "problem"]
    text: str
    mend: str | None = None
    code: int = 0


def ok(about: str, text: str) -> Finding:
    """All is well."""
    return Finding(about, "ok", text)


def note(about: str, text: str, mend: str | None = None) -> Finding:
    """It works, but less than it could."""
    return Finding(about, "note", text, mend)


def problem(about: str, text: str, mend: str | None = None, code: int = MissingError.exit_code) -> Finding:
    """Something does not work."""
    return Finding(about, "problem", " ".join(text.split()), mend, code)


def run_python(words: Sequence[str]) -> ChildResult:
    """Run this Python with these arguments, in a child process: what might crash, crashes there."""
    return run_program([sys.executable, *words], time_limit=CHILD_SECONDS)


def read_text(file: Path) -> str:
    """What a file says, without white space around it; nothing where it cannot be read."""
    try:
        return file.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def installed(distribution: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def may_use(device: Path) -> bool:
    """Whether this user may read and write a device file."""
    return os.access(device, os.R_OK | os.W_OK)


@dataclass(frozen=True)
class Host:
    """The machine that is examined: this one, unless a test says otherwise.

    Attributes:
        root: the folder that stands for `/`.
        prefix: of the virtual environment, or of Python itself.
        python: its version.
        bits: of this Python, 32 or 64.
        version: of a distribution; None if it is not installed.
        run: runs this Python with some words.
        may_use: whether this user may use a device file.
    """

    root: Path = ROOT
    prefix: Path = Path(sys.prefix)
    python: tuple[int, int] = sys.version_info[:2]
    bits: int = 64 if sys.maxsize > 1 << 32 else 32
    version: Callable[[str], str | None] = installed
    run: Callable[[Sequence[str]], ChildResult] = run_python
    may_use: Callable[[Path], bool] = may_use

    def imports(self, module: str) -> str | None:
        """Why a module cannot be imported; None if it can."""
        child = self.run(["-c", f"import {module}"])
        return None if child.code == 0 else child.reason
