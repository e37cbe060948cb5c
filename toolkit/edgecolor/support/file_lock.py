"""A lock on an open file, which the operating system releases when the file is closed or the process ends."""

from __future__ import annotations

import errno
import os
import sys
from typing import IO, Any

_LOCKED_BYTE = 1 << 30  # Windows denies access to a locked byte: this one lies behind the end of our files


def lock_file(file: IO[Any], *, wait: bool) -> None:
    """Lock a file for this process until the file is closed. A file system without locks is ignored.

    Args:
        file: the open file.
        wait: wait until no other process holds the lock.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is off.
    """
    if sys.platform == "win32":
        _lock_on_windows(file, wait)
        return
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass


def _lock_on_windows(file: IO[Any], wait: bool) -> None:
    import msvcrt

    os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
    while True:
        try:
            # LK_LOCK gives up after ten seconds.
            mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined,unused-ignore]
            msvcrt.locking(file.fileno(), mode, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError as error:
            if wait and error.errno == errno.EDEADLK:
                continue
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise BlockingIOError(error.errno, error.strerror) from error
        return
