"""Everything that is printed: results on stdout; progress, notes, errors and addresses on stderr.

Names and texts come from files of strangers. They pass through `escape_controls`: a file name cannot move the
cursor, retitle the terminal or forge a line of its own.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from edgecolor.support.progress import PrintLine, print_nothing

_SPINNER_SECONDS = 1.0  # before a command shows a spinner
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, delete and C1: line ends, the cursor, colors, titles
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of text
    "\u2028\u2029"  # line and paragraph separator
    "\ud800-\udc7f\udd00-\udfff]"  # halves of characters, except bytes of a file name that is not UTF-8
)


def escape_controls(text: object) -> str:
    r"""Return text for one line of a terminal: a control character is written as \n, \x1b or \u202e."""
    line = _CONTROLS.sub(_escape, str(text)).encode("utf-8", "surrogateescape")
    # Bytes of a file name that is not UTF-8 are kept. Two of them can form a control character.
    return _CONTROLS.sub(_escape, line.decode("utf-8", "surrogateescape"))


def _escape(control: re.Match[str]) -> str:
    return repr(control.group())[1:-1]


def print_lines(*lines: object) -> None:
    """Print lines on stdout, at once."""
    print("\n".join(map(escape_controls, lines)), flush=True)


class InterruptedRunError(Exception):
    """Ctrl-C, SIGTERM or SIGHUP ended a command; the text says how to resume it."""


@contextmanager
def resumable(describe: Callable[[], str]) -> Iterator[None]:
    """Raise InterruptedRunError instead of KeyboardInterrupt; `describe` says what the command has done."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"{describe()}; the same command resumes this run") from None


def print_line(line: str) -> None:
    """Print one line on stderr, at once. If stderr cannot be written, the work continues."""
    try:
        print(escape_controls(line), file=sys.stderr, flush=True)
    except OSError:  # the reader of a pipe has gone, or a disk is full
        with suppress(OSError):
            discard_stream(2)


def discard_stream(number: int) -> None:
    """Send what is written to a standard stream to nowhere.

    Args:
        number: file descriptor: 0 for stdin, 1 for stdout, 2 for stderr.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def open_closed_streams() -> None:
    """Open the standard streams that are closed, as by `2>&-`, to nowhere.

    Otherwise the next file that is opened gets the number of the stream and receives its messages, and Python
    prints to stdout what is meant for stderr.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            discard_stream(number)
        if getattr(sys, name) is None:
            stream = os.fdopen(
                number, "w" if number else "r", encoding="utf-8", errors="replace", closefd=False
            )
            setattr(sys, name, stream)


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
    progress.add_task(escape_controls(text), total=None)
    timer = threading.Timer(_SPINNER_SECONDS, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda line: console.print(escape_controls(line), markup=False, highlight=False, soft_wrap=True)
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
