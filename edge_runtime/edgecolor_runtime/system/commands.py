"""Commands for messages: what a user pastes into the shell of this machine."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata

_SPECIAL_IN_CMD = re.compile(r"[\s&|<>^()%!,;=]")  # cmd.exe splits or redirects at these outside of quotes


def shell_command(words: Iterable[str]) -> str:
    """Return a command line for cmd.exe on Windows, and for a POSIX shell elsewhere.

    Args:
        words: program and arguments.
    """
    if sys.platform != "win32":
        return shlex.join(words)
    return " ".join(
        f'"{word}"' if _SPECIAL_IN_CMD.search(word) else subprocess.list2cmdline([word]) for word in words
    )


def pip_install(*words: str) -> str:
    """Return the command that installs packages for the Python that is running.

    In an environment without pip it uses uv, if there is one, or first installs pip.

    Args:
        words: requirements and options of `pip install`.
    """
    if not _has_pip():
        if uv := shutil.which("uv"):
            return shell_command([uv, "pip", "install", "--python", sys.executable, *words])
        ensure = shell_command([sys.executable, "-m", "ensurepip"])
        return f"{ensure} && {shell_command([sys.executable, '-m', 'pip', 'install', *words])}"
    return shell_command([sys.executable, "-m", "pip", "install", *words])


def _has_pip() -> bool:
    # importlib.util.find_spec("pip") would switch off setuptools' distutils in this process.
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError:
        return False
    return True
