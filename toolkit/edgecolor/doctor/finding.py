"""Findings, and the machine that the examinations look at."""

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
        state: "note": it works, but less well than it could; "problem": something does not work.
        text: the result of the examination.
        fix: the command or the step that fixes it; None if nothing needs a fix.
        code: exit code of a problem; 0 for everything else.
    """

    about: str
    state: Literal["ok", "note", "problem"]
    text: str
    fix: str | None = None
    code: int = 0


def ok(about: str, text: str) -> Finding:
    """Return a finding: this works."""
    return Finding(about, "ok", text)


def note(about: str, text: str, fix: str | None = None) -> Finding:
    """Return a finding: this works, but less well than it could."""
    return Finding(about, "note", text, fix)


def problem(about: str, text: str, fix: str | None = None, code: int = MissingError.exit_code) -> Finding:
    """Return a finding: this does not work."""
    return Finding(about, "problem", " ".join(text.split()), fix=fix, code=code)


def run_python(words: Sequence[str]) -> ChildResult:
    """Run this Python with these arguments, in a child process: what might crash, crashes there."""
    return run_program([sys.executable, *words], time_limit=CHILD_SECONDS)


def read_text(file: Path) -> str:
    """Return the text of a file without surrounding white space; "" if the file cannot be read."""
    try:
        return file.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def may_use(device: Path) -> bool:
    """Return whether this user may read and write a device file."""
    return os.access(device, os.R_OK | os.W_OK)


@dataclass(frozen=True)
class HostMachine:
    """The machine that is examined: this one, or one that a test describes.

    Attributes:
        root: the folder that stands for `/`.
        prefix: folder of the virtual environment, or of Python itself.
        python: version of Python.
        bits: 32 or 64, of this Python.
        version: returns the version of a distribution; None if it is not installed.
        run: runs this Python with some arguments.
        may_use: returns whether this user may use a device file.
    """

    root: Path = ROOT
    prefix: Path = Path(sys.prefix)
    python: tuple[int, int] = sys.version_info[:2]
    bits: int = 64 if sys.maxsize > 1 << 32 else 32
    version: Callable[[str], str | None] = installed_version
    run: Callable[[Sequence[str]], ChildResult] = run_python
    may_use: Callable[[Path], bool] = may_use

    def import_error(self, module: str) -> str | None:
        """Return why a module cannot be imported; None if it can."""
        child = self.run(["-c", f"import {module}"])
        return None if child.code == 0 else child.reason
