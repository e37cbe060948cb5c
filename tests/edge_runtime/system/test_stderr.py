"""Log lines of native libraries on file descriptor 2 are dropped, other lines are kept."""

from __future__ import annotations

import os

import pytest

from edgecolor_runtime.system.stderr import stderr_without


def test_named_lines_are_dropped_and_others_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_without(b"INFO: ", b"I0000 "):
        os.write(2, b"INFO: a delegate\nERROR: no memory\nI0000 a note\n" + b"x" * 100_000 + b"\n")
        assert capfd.readouterr().err == ""
    os.write(2, b"INFO: afterwards\n")
    assert capfd.readouterr().err == "ERROR: no memory\n" + "x" * 100_000 + "\nINFO: afterwards\n"


def test_lines_before_an_error_are_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="refused"), stderr_without(b"INFO: "):
        os.write(2, b"INFO: a delegate\nERROR: no such operator\n")
        raise ValueError("refused")
    assert capfd.readouterr().err == "ERROR: no such operator\n"


def test_without_a_temporary_file_nothing_is_hidden(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with stderr_without(b"INFO: "):
        os.write(2, b"INFO: a delegate\n")
    assert capfd.readouterr().err == "INFO: a delegate\n"
