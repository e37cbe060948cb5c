"""Keeps the notes of native libraries off stderr, where no setting of theirs does."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = threading.Lock()  # the process has one


@contextmanager
def stderr_without(*notes: bytes) -> Iterator[None]:
    """Holds back what is written to file descriptor 2; afterwards lets through the lines that are no note.

    Args:
        notes: what a line that is to be dropped begins with.
    """
    with _STDERR:
        try:
            held = tempfile.TemporaryFile()  # noqa: SIM115  not in a with: what is inside may raise, too
            kept = os.dup(2)
        except OSError:  # this process has no stderr, or its file systems are read-only
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            with held:
                held.seek(0)
                os.write(2, b"".join(line for line in held if not line.startswith(notes)))
