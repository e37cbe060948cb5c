"""A command that takes over a second shows on a terminal that it works."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from edgecolor.cli.common import messages

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@contextmanager
def terminal() -> Iterator[list[str]]:
    """Make stderr a terminal; yield the list that holds at the end what appeared there."""
    import pty

    main_end, terminal_end = pty.openpty()
    shown: list[str] = []

    def read() -> None:
        try:
            while data := os.read(main_end, 4096):
                shown.append(data.decode())
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(terminal_end, "w", encoding="utf-8") as stderr, redirect_stderr(stderr):
        yield shown
    reader.join()
    os.close(main_end)


def wait_for(text: str, shown: list[str]) -> None:
    """Wait until a terminal shows a text."""
    while text not in "".join(shown):
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(messages, "_SPINNER_SECONDS", 0.1)


def test_a_spinner_with_the_time_appears_and_goes() -> None:
    with terminal() as shown, messages.working("loading the [model]", quiet=False) as print_progress:
        wait_for("loading", shown)
        print_progress("142 [calibration] pictures")
        wait_for("142 [calibration] pictures", shown)
    text = "".join(shown)
    assert re.search(r"loading the \[model\].*0:0\d:\d\d", text)
    assert "142 [calibration] pictures\r\n" in text
    assert text.rfind("\x1b[2K") > text.rfind("loading")  # the line of the spinner is erased


def test_what_is_fast_or_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal() as shown:
        with monkeypatch.context() as patch:
            patch.setattr(messages, "_SPINNER_SECONDS", 60.0)
            with messages.working("loading", quiet=False):
                pass
        with messages.working("loading", quiet=True) as print_progress:
            print_progress("a line")
            time.sleep(0.3)
    assert "loading" not in "".join(shown) and "a line" not in "".join(shown)


def test_without_a_terminal_only_lines_of_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with messages.working("loading", quiet=False) as print_progress:
        time.sleep(0.2)
        print_progress("a line")
    assert capsys.readouterr().err == "a line\n"
