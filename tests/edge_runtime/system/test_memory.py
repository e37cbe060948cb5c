"""The free memory of this process: of the machine, and of its control groups."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgecolor_runtime.system import memory
from edgecolor_runtime.system.memory import read_free_memory

MIB = 1 << 20


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 2097152 kB\n"}


def test_without_control_groups(tmp_path: Path) -> None:
    assert read_free_memory(write(tmp_path, MACHINE)) == 2048 * MIB


def test_a_service_with_a_limit_in_version_2(tmp_path: Path) -> None:
    """The group of the service has no limit, and the group above allows 512 MiB; cache is not in use."""
    above = "sys/fs/cgroup/system.slice"
    group = f"{above}/color.service"
    files = {
        "proc/self/cgroup": "0::/system.slice/color.service\n",
        f"{group}/memory.max": "max\n",
        f"{group}/memory.current": f"{300 * MIB}\n",
        f"{group}/memory.stat": "anon 5\n",
        f"{above}/memory.max": f"{512 * MIB}\n",
        f"{above}/memory.current": f"{400 * MIB}\n",
        f"{above}/memory.stat": f"anon 5\ninactive_file {100 * MIB}\n",
    }
    assert read_free_memory(write(tmp_path, MACHINE | files)) == 212 * MIB


@pytest.mark.parametrize(("limit", "free"), [(512 * MIB, 112), ((1 << 63) - 4096, 2048), (300 * MIB, 0)])
def test_a_container_in_version_1(tmp_path: Path, limit: int, free: int) -> None:
    group = "sys/fs/cgroup/memory/docker/1"
    files = {
        "proc/self/cgroup": "7:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n",
        f"{group}/memory.limit_in_bytes": f"{limit}\n",
        f"{group}/memory.usage_in_bytes": f"{400 * MIB}\n",
        f"{group}/memory.stat": "total_inactive_file 0\n",
    }
    assert read_free_memory(write(tmp_path, MACHINE | files)) == free * MIB


def test_the_group_of_a_container_is_not_below_its_own_folder(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/elsewhere/1\n",
        "sys/fs/cgroup/memory.max": f"{512 * MIB}\n",
        "sys/fs/cgroup/memory.current": f"{12 * MIB}\n",
        "sys/fs/cgroup/memory.stat": "anon 5\n",
    }
    assert read_free_memory(write(tmp_path, MACHINE | files)) == 500 * MIB


def test_a_system_without_files_of_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "ROOT", tmp_path)
    monkeypatch.setattr(memory, "_read_physical_memory", lambda: 8 * MIB)
    assert read_free_memory(tmp_path) == 4 * MIB
    monkeypatch.setattr(memory, "_read_physical_memory", lambda: 0)
    assert read_free_memory(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such files")
def test_this_machine() -> None:
    free = read_free_memory()
    assert free is not None and 0 < free < 1 << 50
