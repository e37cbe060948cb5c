"""The memory that this process may still use, and memory that it no longer uses."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from edgecolor_runtime.system.machine import ROOT, read_memory

_CGROUPS = Path("sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # version 1 of control groups states a number above this instead of no limit


def read_free_memory(root: Path = ROOT) -> int | None:
    """Return the memory in bytes that this process may still use; None if that is not known.

    Linux: MemAvailable, or less if a control group, as of a container or a systemd service, allows less.
    macOS: half of the physical memory. Windows: None.
    """
    _, available = read_memory(root)
    if available is None:
        return _read_physical_memory() // 2 or None if root == ROOT else None
    return max(0, min([available, *_free_memory_of_groups(root)]))


def release_freed_memory() -> None:
    """Give freed memory back to the system, on Linux with glibc; elsewhere do nothing.

    glibc keeps what each thread has freed for this thread: after a picture of 88 megapixels 1.3 GB.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has no such function
        if trim is not None:
            trim(0)


def _read_physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return 0


def _free_memory_of_groups(root: Path) -> Iterator[int]:
    """Yield what each control group of this process leaves free; page cache counts as free."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names = ("memory.max", "memory.current", "inactive_file")
            base = root / _CGROUPS
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            base = root / _CGROUPS / "memory"
        else:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(base):
                break
            if (free := _free_memory_of_group(folder, *names)) is not None:
                yield free


def _free_memory_of_group(folder: Path, limit_name: str, usage_name: str, cache_name: str) -> int | None:
    try:
        limit, usage = (int((folder / name).read_text()) for name in (limit_name, usage_name))
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cache = int(statistics.get(cache_name, 0))
    except (OSError, ValueError):  # no such group here, or its limit is "max"
        return None
    return limit - usage + cache if limit < _NO_LIMIT else None
