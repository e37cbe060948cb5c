"""Keep the log lines of native libraries off stderr, for libraries without a setting for this."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR_LOCK = threading.Lock()  # the process has one stderr


@contextmanager
def stderr_without(*notes: bytes) -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and write it at the end without the named lines.

    Args:
        notes: beginnings of the lines to drop.
    """
    with _STDERR_LOCK:
        try:
            held = tempfile.TemporaryFile()  # noqa: SIM115  no `with` here: the body may raise OSError, too
            kept = os.dup(2)
        except OSError:  # the process has no stderr, or its file systems are read-only
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
                with suppress(OSError):  # stderr is closed or full: the work continues
                    os.write(2, b"".join(line for line in held if not line.startswith(notes)))
