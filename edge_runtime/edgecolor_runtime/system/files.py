"""The atomic file writer: a file or folder appears whole under its name, or not at all.

Data goes into a temporary file beside the target, is flushed to the disk, and gets its name by a rename.
The temporary name holds the machine, the process, and the moment at which the process started:

    .photo.jpg.1f2e3d4c-4711-5f6a7b8c-0a1b2c3d4e5f.part

A temporary file belongs to the process in its name. While that process lives, no other process removes the
file. When the process is dead, the file is stale. The first write of a process into a folder removes the
stale files of this machine there. After a restart of the machine all earlier files are stale, even if their
process numbers are in use again.
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
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from edgecolor_runtime.errors import EdgecolorError, UsageError

MAX_STEM_CHARACTERS = 50  # of the target's name in a temporary name: 200 bytes of the 255 that are possible
FLUSHES_AT_ONCE = 8
UNKNOWN_START = "0" * 8  # in a temporary name, where the system does not tell when a process started

_START_FIELD = 19  # of /proc/PID/stat, counted after the name of the program: starttime, in clock ticks
_TEMPORARY_NAME = re.compile(
    r"\.(?P<target>.*)\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-(?:(?P<start>[0-9a-f]{8})-)?[0-9a-f]{12}\.part",
    re.DOTALL,
)


def refuse_existing(path: Path, force: bool) -> None:
    """Raise UsageError if `path` is a folder, or if it exists and `force` is off."""
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file to write")
    if not force and os.path.lexists(path):
        raise UsageError(f"{path}: exists already; use --force to replace it")


def write_bytes(
    path: Path,
    data: bytes,
    *,
    force: bool = False,
    accept_identical: bool = False,
    durable: bool = True,
    modified_ns: int | None = None,
) -> None:
    """Write a file whole or not at all. Missing folders are made.

    Args:
        path: the file.
        data: its bytes.
        force: replace an existing file.
        accept_identical: leave an existing file with these bytes as it is, also without `force`.
        durable: flush to the disk before the rename. Without it the file may be empty after a power cut.
        modified_ns: time of the last change that the file gets, in ns since 1970 (default: now).

    Raises:
        UsageError: the file exists, and `force` is off.
        EdgecolorError: the file cannot be written: full disk, missing permission.
    """
    with _failures_named(path), temporary_beside(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        _set_time(temporary, modified_ns)
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
        EdgecolorError: the folder cannot be made, or another process of this machine is making it.
    """
    _refuse_existing_folder(path)
    if process := living_process(path):
        raise EdgecolorError(f"{path}: process {process} is making this folder. Wait until it has ended.")
    with _failures_named(path), temporary_beside(path) as folder:
        folder.mkdir()
        yield folder
        _refuse_existing_folder(path)
        for file in folder.rglob("*"):
            flush(file)
        flush(folder)
        folder.rename(path)
        flush(path.parent)


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield a free temporary path beside `path`; afterwards remove what is still there. Folders are made."""
    temporary = _temporary_name(path)
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
        flush(temporary)
    refuse_existing(path, force)
    temporary.replace(path)
    if durable:
        flush(path.parent)


@dataclass(frozen=True)
class StagedFile:
    """A complete file that waits for its name.

    Attributes:
        path: the name that it gets.
        temporary: where the data is; None if `path` has the same bytes already.
    """

    path: Path
    temporary: Path | None


def stage_bytes(
    path: Path, data: bytes, *, accept_identical: bool = False, modified_ns: int | None = None
) -> StagedFile:
    """Write a complete file under a temporary name, for `publish_all`. Missing folders are made.

    The system starts to write the data to the disk; this function does not wait for it.

    Args:
        path: the name that the file gets.
        data: its bytes.
        accept_identical: if `path` has these bytes already, write nothing.
        modified_ns: time of the last change that the file gets, in ns since 1970 (default: now).

    Raises:
        EdgecolorError: the file cannot be written: full disk, missing permission.
    """
    with _failures_named(path):
        if accept_identical and path.is_file() and path.read_bytes() == data:
            return StagedFile(path, None)
        temporary = _temporary_name(path)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                if hasattr(os, "posix_fadvise"):  # on Linux this starts the write to the disk
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            _set_time(temporary, modified_ns)
        except BaseException:
            _remove(temporary)
            raise
        return StagedFile(path, temporary)


def publish_all(
    staged: Sequence[StagedFile], *, replaceable: Collection[Path]
) -> list[EdgecolorError | None]:
    """Flush files to the disk, and give them their names. Files that share a flush cost less.

    Args:
        staged: files from `stage_bytes`.
        replaceable: the paths at which an existing file may be replaced.

    Returns:
        For each file, why it has not got its name; None if it has its name and is on the disk.
    """
    from concurrent.futures import ThreadPoolExecutor  # only folders need it

    errors: list[EdgecolorError | None] = [None] * len(staged)

    def step(number: int, action: Callable[[], None]) -> None:
        if errors[number] is None:
            try:
                with _failures_named(staged[number].path):
                    action()
            except EdgecolorError as error:
                errors[number] = error

    def rename(file: StagedFile) -> None:
        if file.temporary is not None:
            refuse_existing(file.path, force=file.path in replaceable)
            file.temporary.replace(file.path)

    try:
        # Flushes at the same time share their wait: 64 small files took 4 to 44 ms, one by one 100 to 300 ms.
        with ThreadPoolExecutor(FLUSHES_AT_ONCE) as pool:
            flushes = [partial(flush, file.temporary or file.path) for file in staged]
            list(pool.map(step, range(len(staged)), flushes))
        for number, file in enumerate(staged):
            step(number, partial(rename, file))
        for folder in {file.path.parent for file in staged}:
            flush(folder)
    finally:
        discard(staged)
    return errors


def discard(staged: Sequence[StagedFile]) -> None:
    """Remove the temporary files of staged files that have not got their names."""
    for file in staged:
        if file.temporary is not None:
            _remove(file.temporary)


def living_process(path: Path) -> int | None:
    """Return the number of a process that writes `path` at this moment; None if this machine has none."""
    for entry in path.parent.glob(".*.part"):
        parts = _TEMPORARY_NAME.fullmatch(entry.name)
        if parts and parts["target"] == path.name[:MAX_STEM_CHARACTERS] and parts["machine"] == _machine():
            process = int(parts["process"])
            if process != os.getpid() and not _is_stale(parts):
                return process
    return None


def remove_stale(folder: Path, *, own: Collection[str] = ()) -> None:
    """Remove the temporary files of dead processes.

    Args:
        folder: the folder to clean.
        own: names of targets that only the caller writes. Their temporary files are also removed if they are
            those of other machines, of which this machine cannot know whether the process lives.
    """
    stems = {name[:MAX_STEM_CHARACTERS] for name in own}
    for entry in folder.glob(".*.part"):
        parts = _TEMPORARY_NAME.fullmatch(entry.name)
        if parts and (_is_stale(parts) if parts["machine"] == _machine() else parts["target"] in stems):
            _remove(entry)


def _temporary_name(path: Path) -> Path:
    """Return a free temporary name beside `path`. Make the folder, and remove stale files there."""
    # Beside the target, because a rename is atomic only within one file system.
    with suppress(FileExistsError):  # a file in the folder's place: the write that follows says so
        _make_folder(path.parent)
    _remove_stale_once(path.parent.absolute())
    process = f"{_machine()}-{os.getpid()}-{_start_of(os.getpid())}-{secrets.token_hex(6)}"
    return path.with_name(f".{path.name[:MAX_STEM_CHARACTERS]}.{process}.part")


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents, and flush their names to the disk."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


@cache
def _remove_stale_once(folder: Path) -> None:
    remove_stale(folder)


@cache
def _machine() -> str:
    """Return a short hash of this machine or container. A process number has a meaning only there."""
    name = platform.node()  # many boards have the same
    with suppress(OSError):
        name += Path("/etc/machine-id").read_text("utf-8")
    with suppress(OSError):  # the same after every restart, but another in each container
        name += str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _is_stale(parts: re.Match[str]) -> bool:
    """Return whether the process in a temporary name of this machine is dead."""
    process = int(parts["process"])
    if not _is_alive(process):
        return True
    start = _start_of(process)
    return UNKNOWN_START not in (start, parts["start"]) and start != parts["start"]


def _start_of(process: int) -> str:
    """Return a short hash of the moment at which a process started; UNKNOWN_START outside Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return UNKNOWN_START
    return hashlib.sha256(f"{boot}{fields[_START_FIELD]}".encode()).hexdigest()[:8]


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


def _set_time(file: Path, modified_ns: int | None) -> None:
    if modified_ns is not None:
        with suppress(OSError, OverflowError):  # a file system may hold no times, or none of this year
            os.utime(file, ns=(modified_ns, modified_ns))


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Flush a file or folder to the disk. A system that cannot open or flush a folder is no error."""
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
