"""A bar on the terminal; nothing where stderr is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def progress(what: str, total: int | None, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show a bar; call what this gives after each of `total` (None: nobody knows how many)."""
    if quiet or total == 1 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def invite(verb: str, address: str, quiet: bool) -> None:
    """Say "VERB it at ADDRESS", and over SSH how it is reached from the other end."""
    if quiet:
        return
    print(f"{verb} it at {address}", file=sys.stderr, flush=True)
    tunnel = _tunnel(address)
    if tunnel:
        print(f"first, on the machine that you sit at: {tunnel}", file=sys.stderr, flush=True)


def _tunnel(address: str) -> str | None:
    """The line that brings a page of this machine alone to the other end of an SSH connection."""
    import getpass
    from urllib.parse import urlsplit

    link, here = os.environ.get("SSH_CONNECTION", "").split(), urlsplit(address)
    if len(link) != 4 or here.hostname != "127.0.0.1":
        return None
    return f"ssh -L {here.port}:127.0.0.1:{here.port} {getpass.getuser()}@{link[2]}"


def calibration_folder(named: Path | None) -> Path:
    """The folder of calibration pictures: the one that was named, or ./calibration if it has a manifest.

    Raises:
        UsageError: there is neither.
    """
    from edgecolor.data.calibration import MANIFEST
    from edgecolor_runtime.errors import UsageError

    folder = named or Path("calibration")
    if named is None and not (folder / MANIFEST).is_file():
        raise UsageError(
            "No ./calibration with a manifest here. Name a folder of pictures with --calibration."
        )
    return folder
