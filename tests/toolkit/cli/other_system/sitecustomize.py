"""Makes this Python resemble that of Windows or macOS. Python imports it at its start; children inherit it.

What those systems lack is taken away: modules, functions, constants, device files. The few names that only
Windows has get a stand-in, because libraries use them. EDGECOLOR_TEST_SYSTEM names the system.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import io
import multiprocessing.connection
import os
import pathlib
import platform
import select
import signal
import socket
import stat
import subprocess  # noqa: F401 - the standard library is loaded for this system, before it looks like another
import sys
import sysconfig
import time
import types
import urllib.request  # noqa: F401
from typing import Any

import typer.core
import typer.main  # noqa: F401

with contextlib.suppress(ImportError):  # Streamlit's server has it
    import click  # noqa: F401

sysconfig.get_config_vars()  # read for this system, and cached

SYSTEM = os.environ["EDGECOLOR_TEST_SYSTEM"]
NAME, MACHINE = {"win32": ("Windows", "AMD64"), "darwin": ("Darwin", "arm64")}[SYSTEM]

_NO_FILES = ("/proc", "/sys", "/dev", "/etc/machine-id", "/etc/os-release", "/usr/lib/os-release")
_STILL_THERE = (os.devnull, "/dev/urandom", "/dev/shm", "/dev/stdin", "/dev/stdout", "/dev/stderr")

_MODULES = ["fcntl", "resource", "termios", "pwd", "grp", "tty", "pty", "picamera2", "libcamera"]
_OS = ["sched_getaffinity", "posix_fadvise"]
if SYSTEM == "win32":
    _OS += [
        "fork",
        "forkpty",
        "setsid",
        "killpg",
        "getuid",
        "geteuid",
        "getgid",
        "sysconf",
        "uname",
        "mkfifo",
    ]
    _OS += ["getpgid", "chown", "O_NONBLOCK", "O_DIRECTORY"]


def _is_hidden(path: Any) -> bool:
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    name = os.fsdecode(path)
    return name.startswith(_NO_FILES) and not name.startswith(_STILL_THERE)


def _without_hidden_files(function: Any) -> Any:
    def call(path: Any = ".", *arguments: Any, **named: Any) -> Any:
        if _is_hidden(path):
            raise FileNotFoundError(2, "No such file or directory", os.fsdecode(path))
        if SYSTEM == "win32" and function is _os_open and "dir_fd" not in named and _is_folder(path):
            raise PermissionError(13, "Permission denied", os.fsdecode(path))
        return function(path, *arguments, **named)

    return call


_os_open, _os_stat = os.open, os.stat


def _is_folder(path: Any) -> bool:
    try:
        return stat.S_ISDIR(_os_stat(path).st_mode)
    except OSError:
        return False


for _holder, _name in (
    *((os, name) for name in ("open", "stat", "lstat", "listdir", "scandir", "readlink", "access")),
    (io, "open"),
    (builtins, "open"),
):
    setattr(_holder, _name, _without_hidden_files(getattr(_holder, _name)))
_accessor: Any = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 keeps the functions there
if _accessor is not None:
    for _name in ("stat", "listdir", "scandir", "readlink"):
        setattr(_accessor, _name, staticmethod(getattr(os, _name)))
    _accessor.open = staticmethod(io.open)
for _name in _MODULES:
    sys.modules[_name] = None  # type: ignore[assignment]
for _name in _OS:
    vars(os).pop(_name, None)
vars(time).pop("CLOCK_BOOTTIME", None)

if SYSTEM == "win32":
    for _name in ("poll", "epoll"):
        vars(select).pop(_name, None)
    for _name in ("SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD", "SIGALRM"):
        vars(signal).pop(_name, None)
    signal.SIGBREAK = signal.SIGTERM  # type: ignore[attr-defined]
    socket.socketpair = functools.partial(socket.socketpair, socket.AF_UNIX)
    vars(socket).pop("AF_UNIX", None)
    _msvcrt: Any = types.SimpleNamespace(LK_LOCK=os.F_LOCK, LK_NBLCK=os.F_TLOCK, locking=os.lockf)
    sys.modules["msvcrt"] = _msvcrt
    asyncio.ProactorEventLoop = asyncio.SelectorEventLoop  # type: ignore[attr-defined]

multiprocessing.set_start_method("spawn")
platform.system = lambda: NAME
platform.machine = lambda: MACHINE
platform.release = lambda: {"win32": "11", "darwin": "24.5.0"}[SYSTEM]
platform.mac_ver = lambda *_: ("15.5", ("", "", ""), MACHINE)
sys.platform = SYSTEM
