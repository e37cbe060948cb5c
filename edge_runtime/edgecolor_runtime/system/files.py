"""The atomic file writer: a file or folder appears whole under its name, or not at all.

Data goes into a temporary file beside the target, is flushed to the disk, and gets its name by a rename.
The temporary name holds the machine and the process:

    .photo.jpg.1f2e3d4c-4711-0a1b2c3d4e5f.part

The first write of a process into a folder removes the temporary files that dead processes of this machine
left there.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from edgecolor_runtime.errors import EdgecolorError, UsageError

MAX_STEM_CHARACTERS = 50  # of the target's name in a temporary name: 200 bytes of the 255 that are possible

_TEMPORARY_NAME = re.compile(r"\..*\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{12}\.part")


def refuse_existing(path: Path, force: bool) -> None:
    """Raise UsageError if `path` is a folder, or if it exists and `force` is off."""
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file to write")
    if not force and os.path.lexists(path):
        raise UsageError(f"{path}: exists already; use --force to replace it")


def write_bytes(
    path: Path, data: bytes, *, force: bool = False, accept_identical: bool = False, durable: bool = True
) -> None:
    """Write a file whole or not at all. Missing folders are made.

    Args:
        path: the file.
        data: its bytes.
        force: replace an existing file.
        accept_identical: leave an existing file with these bytes as it is, also without `force`.
        durable: flush to the disk before the rename. Without it the file may be empty after a power cut.

    Raises:
        UsageError: the file exists, and `force` is off.
        EdgecolorError: the file cannot be written: full disk, missing permission.
    """
    with _failures_named(path), temporary_beside(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if accept_identical and path.is_file() and path.read_bytes() == data:
            return
        publish(temporary, path, force=force, durable=durable)


def write_text(path: Path, text: str, *, force: bool = False) -> None:
    """Write a UTF-8 file whole or not at all, as `write_bytes`."""
    write_bytes(path, text.encode(), force=force)


def write_json(path: Path, value: Any, *, force: bool = False) -> None:
    """Write a JSON file whole or not at all, as `write_bytes`: indented by 1, with a final newline."""
    write_text(path, json.dumps(value, indent=1) + "\n", force=force)


@contextmanager
def staged_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a path for a library to write to; at the end the file there becomes `path`.

    The yielded path lies in a temporary folder beside `path`. It has the same name, because some libraries
    choose the format by the extension. If the body raises, `path` stays as it was.

    Raises:
        UsageError: the file exists, and `force` is off.
        EdgecolorError: the file cannot be written.
    """
    with _failures_named(path), temporary_beside(path) as folder:
        folder.mkdir()
        yield folder / path.name
        publish(folder / path.name, path, force=force)


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end it becomes `path`. If the body raises, it is removed.

    Raises:
        UsageError: `path` exists.
        EdgecolorError: the folder cannot be made.
    """
    _refuse_existing_folder(path)
    with _failures_named(path), temporary_beside(path) as folder:
        folder.mkdir()
        yield folder
        _refuse_existing_folder(path)
        for file in folder.rglob("*"):
            _flush(file)
        _flush(folder)
        folder.rename(path)
        _flush(path.parent)


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield a free temporary path beside `path`; afterwards remove what is still there. Folders are made."""
    # Beside the target, because a rename is atomic only within one file system.
    with suppress(FileExistsError):  # a file in the folder's place: the write that follows says so
        path.parent.mkdir(parents=True, exist_ok=True)
    _remove_dead(path.parent.absolute())
    process = f"{_machine()}-{os.getpid()}-{secrets.token_hex(6)}"
    temporary = path.with_name(f".{path.name[:MAX_STEM_CHARACTERS]}.{process}.part")
    try:
        yield temporary
    finally:
        _remove(temporary)


def publish(temporary: Path, path: Path, *, force: bool, durable: bool = True) -> None:
    """Rename a complete temporary file to its name.

    Args:
        temporary: the complete file, from `temporary_beside`.
        path: its name.
        force: replace an existing file.
        durable: flush the data and the folder to the disk.

    Raises:
        UsageError: `path` exists, and `force` is off.
    """
    if durable:
        _flush(temporary)
    refuse_existing(path, force)
    temporary.replace(path)
    if durable:
        _flush(path.parent)


def remove_temporaries(folder: Path) -> None:
    """Remove every temporary file of a folder. Call it only while no other process writes there."""
    for entry in folder.glob(".*.part"):
        if _TEMPORARY_NAME.fullmatch(entry.name):
            _remove(entry)


@cache
def _remove_dead(folder: Path) -> None:
    """Remove the temporary files that dead processes of this machine left, once per folder."""
    for entry in folder.glob(".*.part"):
        parts = _TEMPORARY_NAME.fullmatch(entry.name)
        if parts and parts["machine"] == _machine() and not _is_alive(int(parts["process"])):
            _remove(entry)


@cache
def _machine() -> str:
    name = platform.node()  # many boards have the same
    with suppress(OSError):
        name += Path("/etc/machine-id").read_text("utf-8")
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # there, signal 0 ends the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Flush a file or folder to the disk. Some systems cannot open or flush a folder."""
    if path.is_dir():
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    else:
        with path.open("r+b") as file:
            os.fsync(file.fileno())


def _refuse_existing_folder(path: Path) -> None:
    if os.path.lexists(path):
        raise UsageError(f"{path}: exists already; name another folder, or remove it first")


@contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EdgecolorError(f"{path}: cannot be written: {error.strerror or error}") from error
