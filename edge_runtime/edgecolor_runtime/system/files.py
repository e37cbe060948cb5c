"""The atomic file writer: a file appears whole under its name, or not at all."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecolor_runtime.errors import PictureError

_PART = ".part"  # how the name of a file ends while it is written
_RANDOM = 6  # random bytes in that name, in hexadecimal


def refuse_existing(path: Path, force: bool) -> None:
    """Raise PictureError if the path is taken: by a folder, or without `force` by a file."""
    if path.is_dir():
        raise PictureError(f"{path}: is a folder")
    if not force and os.path.lexists(path):
        raise PictureError(f"{path}: exists already; --force replaces it")


def write(path: Path, data: bytes, *, force: bool = False, same: bool = False) -> None:
    """Write a file as a whole or not at all; its folders are made.

    Args:
        path: Where to.
        data: The file's bytes.
        force: Replace a file that is there already.
        same: One that is there already with these very bytes counts as written.

    Raises:
        PictureError: It exists (without `force`), or the disk is full, read-only, or something else is wrong.
    """
    try:
        with suppress(FileExistsError):  # a file in the folder's place: what follows says so more clearly
            path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            if same and path.is_file() and path.read_bytes() == data:
                return
            refuse_existing(path, force)
            temporary.replace(path)
    except OSError as error:
        raise PictureError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A name beside a file for it to be written under and renamed from; what is left there is removed."""
    # Beside the target, because a rename is atomic only within one file system.
    temporary = path.parent / f"{_stem(path)}{secrets.token_hex(_RANDOM)}{_PART}"
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _stem(path: Path) -> str:
    return f".{path.name[:50]}."  # 200 bytes at most, of the 255 that a name may have


def remove_partial(path: Path) -> None:
    """Remove what a killed process left of this file beside it. Not while another process writes it."""
    _remove(path.parent, f"{glob.escape(_stem(path))}*{_PART}")


def remove_partials(folder: Path) -> None:
    """Remove what killed processes left of any file of a folder. Not while another process writes there."""
    _remove(folder, f".*.{'[0-9a-f]' * 2 * _RANDOM}{_PART}")


def _remove(folder: Path, pattern: str) -> None:
    for left in folder.glob(pattern):
        with suppress(OSError):
            left.unlink()
