"""Messages on stderr: progress lines, a progress bar, notes, and the address of a page."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgecolor.support.progress import PrintLine, print_nothing

_SPINNER_SECONDS = 1.0  # before a command shows a spinner


def print_line(line: str) -> None:
    """Print one line on stderr, at once."""
    print(line, file=sys.stderr, flush=True)


def progress_printer(quiet: bool) -> PrintLine:
    """Return the function that prints lines of progress: `print_line`, or one that prints nothing."""
    return print_nothing if quiet else print_line


def print_note(text: str) -> None:
    """Print a note of edgecolor on stderr."""
    print_line(f"edgecolor: note: {text}")


@contextmanager
def working(text: str, *, quiet: bool) -> Iterator[PrintLine]:
    """Show on a terminal that a command works, once that takes over a second: a spinner with the time.

    Leave the context before printing on stdout.

    Args:
        text: what the command does, such as "loading the model".
        quiet: show nothing.

    Yields:
        The function that prints a line of progress.
    """
    if quiet or not sys.stderr.isatty():
        yield progress_printer(quiet)
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    progress = Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    )
    progress.add_task(text, total=None)
    timer = threading.Timer(_SPINNER_SECONDS, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)
    finally:
        timer.cancel()
        timer.join()  # a spinner that starts at this moment is also stopped
        progress.stop()


@contextmanager
def progress_bar(title: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr, if stderr is a terminal.

    Args:
        title: the text before the bar.
        total: the number of steps; None if it is not known.
        quiet: show nothing.

    Yields:
        The function to call after each step.
    """
    if quiet or total == 1 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def print_address(verb: str, address: str, *, quiet: bool) -> None:
    """Print "VERB it at ADDRESS" on stderr, and the SSH command that makes a local address reachable."""
    if quiet:
        return
    print_line(f"{verb} it at {address}")
    if command := _ssh_forward(address):
        print_line(f"first, on the machine that you sit at: {command}")


def _ssh_forward(address: str) -> str | None:
    import getpass
    from urllib.parse import urlsplit

    connection, url = os.environ.get("SSH_CONNECTION", "").split(), urlsplit(address)
    if len(connection) != 4 or url.hostname != "127.0.0.1":
        return None
    return f"ssh -L {url.port}:127.0.0.1:{url.port} {getpass.getuser()}@{connection[2]}"
