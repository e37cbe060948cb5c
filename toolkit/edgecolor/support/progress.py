"""Lines of progress: a function takes one line at a time."""

from __future__ import annotations

from collections.abc import Callable

PrintLine = Callable[[str], None]


def print_nothing(line: str) -> None:
    """Ignore a line of progress."""
