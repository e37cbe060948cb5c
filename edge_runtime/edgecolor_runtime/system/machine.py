"""What this machine is and how it fares, from its own files. What it does not say is None, never a guess.

Every function takes the folder that stands for `/`, so that it can be asked about another machine's files.
"""

from __future__ import annotations

import os
import platform
import re
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path("/")

ARM_CORES = {
    "0xb76": "ARM1176",
    "0xc07": "Cortex-A7",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
}
"""Part number of MIDR_EL1 -> core, from Arm's technical reference manuals; /proc/cpuinfo gives the number."""

THROTTLING = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
"""Meaning of bits 0 to 3 of `vcgencmd get_throttled`; bits 16 to 19: the same, at some time since boot.

https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
"""

_SINCE_BOOT = 16
_SECONDS = 5  # that vcgencmd may take; it answers in milliseconds
_CPU_ZONE = re.compile(r"(?i)cpu|soc|pkg|package")  # not a board's acpitz, nor a disk
_RAIL = re.compile(r"(\S+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)[AV]")


@dataclass(frozen=True)
class Clock:
    """The clock of the fastest cores, MHz, and what rules it."""

    now: float | None
    lowest: float | None
    highest: float | None
    governor: str | None
    driver: str | None


@dataclass(frozen=True)
class Throttling:
    """What a Raspberry Pi says of its power and heat: of THROTTLING, now and at any time since boot."""

    now: tuple[str, ...]
    since_boot: tuple[str, ...]


@dataclass(frozen=True)
class Power:
    """What the machine draws by its own sensors, and which those are."""

    watts: float
    sensor: str


@dataclass(frozen=True)
class Supply:
    """What feeds a Raspberry Pi 5: volts at its input, and what the power supply offers, ampere."""

    volts: float | None
    amperes: float | None


def identity(root: Path = ROOT) -> dict[str, Any]:
    """What does not change while it runs, for a record: board, processor, memory, system, Python."""
    cores = _cpuinfo(root, "processor")
    return {
        "board": board(root),
        "cpu": _cpu(root),
        "cores": len(cores) or None,
        "architecture": platform.machine() or None,
        "bits": struct.calcsize("P") * 8,  # of this Python: a 64-bit kernel may run 32-bit programs
        "memory_bytes": memory(root)[0],
        "os": _os(root),
        "kernel": _text(root / "proc/sys/kernel/osrelease"),
        "python": platform.python_version(),
    }


def board(root: Path = ROOT) -> str | None:
    """The board's name, as in "Raspberry Pi 5 Model B Rev 1.0"."""
    return _text(root / "proc/device-tree/model")


def memory(root: Path = ROOT) -> tuple[int | None, int | None]:
    """Bytes of memory: all of it, and what programs may still have."""
    found = dict(re.findall(r"^(\w+): +(\d+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE))
    total, available = (found.get(name) for name in ("MemTotal", "MemAvailable"))
    return (total and int(total) * 1024), (available and int(available) * 1024)


def peak_memory(root: Path = ROOT) -> int | None:
    """The most bytes that this process has had resident.

    VmHWM rather than ru_maxrss: over an exec, Linux keeps in the latter the peak of whoever started it.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB", _text(root / "proc/self/status") or "", re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def busy_seconds(root: Path = ROOT) -> float | None:
    """Seconds since the start of the system that its processors were not idle, added up over all of them.

    Time that a virtual machine did not get (steal) counts, too.
    """
    found = re.match(r"cpu +([\d ]+)", _text(root / "proc/stat") or "")
    if found is None:
        return None
    user, nice, system, _idle, _wait, *rest = (int(ticks) for ticks in found[1].split())
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")  # irq, softirq, steal


def temperature(root: Path = ROOT) -> float | None:
    """Degrees Celsius of the processor."""
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        degrees = _number(zone / "temp")
        if degrees is not None and _CPU_ZONE.search(_text(zone / "type") or ""):
            return degrees / 1000
    return None


def clock(root: Path = ROOT) -> Clock | None:
    """The clock of the fastest cores."""
    policies = list((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    if not policies:
        return None
    fastest = max(policies, key=lambda policy: (_number(policy / "cpuinfo_max_freq") or 0, policy.name))
    now, lowest, highest = (
        kilohertz and kilohertz / 1000
        for kilohertz in (_number(fastest / f"scaling_{which}_freq") for which in ("cur", "min", "max"))
    )
    governor, driver = (_text(fastest / f"scaling_{which}") for which in ("governor", "driver"))
    return Clock(now, lowest, highest, governor, driver)


def throttled(root: Path = ROOT) -> Throttling | None:
    """What a Raspberry Pi's firmware did to keep within power and heat; None on other machines."""
    answer = _vcgencmd(root, "get_throttled")
    found = re.search(r"throttled=0x([0-9a-fA-F]+)", answer or "")
    bits = found[1] if found else None
    # The kernel's own file of the same word, for a system without vcgencmd.
    files = sorted((root / "sys/devices/platform").glob("soc*/*firmware/get_throttled"))
    if bits is None and files:
        bits = _text(files[0])
    if bits is None or not re.fullmatch(r"[0-9a-fA-F]+", bits):
        return None
    word = int(bits, 16)
    now, since = (
        tuple(name for bit, name in enumerate(THROTTLING) if word >> (bit + first) & 1)
        for first in (0, _SINCE_BOOT)
    )
    return Throttling(now, since)


def power(root: Path = ROOT) -> Power | None:
    """What the machine draws.

    On a Raspberry Pi 5 the sum over the rails of its power chip, without what hangs on the 5 V input itself
    (USB devices, a fan, losses). Elsewhere a power sensor of the kernel's, where there is just one: of
    several nothing says which contains which.
    """
    rails = _rails(root)
    pairs = [rail["A"] * rail["V"] for rail in rails.values() if len(rail) == 2]
    if pairs:
        return Power(sum(pairs), "pmic")
    sensors = [
        (value, file)
        for file in (root / "sys/class/hwmon").glob("hwmon*/power*_input")
        if (value := _number(file)) is not None
    ]
    if len(sensors) != 1:
        return None
    ((microwatts, file),) = sensors
    return Power(microwatts / 1e6, _text(file.parent / "name") or file.parent.name)


def supply(root: Path = ROOT) -> Supply | None:
    """What feeds a Raspberry Pi 5, which asks its power supply; None on a machine that cannot say."""
    volts = _rails(root).get("EXT5V", {}).get("V")
    try:
        big_endian = (root / "proc/device-tree/chosen/power/max_current").read_bytes()
    except OSError:
        big_endian = b""
    amperes = int.from_bytes(big_endian, "big") / 1000 if len(big_endian) == 4 else None
    return None if volts is None and amperes is None else Supply(volts, amperes)


def _rails(root: Path) -> dict[str, dict[str, float]]:
    """Rail -> {"A": ampere, "V": volt}, of lines as in "VDD_CORE_A current(7)=0.94657990A"."""
    rails: dict[str, dict[str, float]] = {}
    for name, unit, value in _RAIL.findall(_vcgencmd(root, "pmic_read_adc") or ""):
        rails.setdefault(name, {})[unit] = float(value)
    return rails


def _vcgencmd(root: Path, word: str) -> str | None:
    program = root / "usr/bin/vcgencmd"
    if not program.is_file():
        return None
    try:
        done = subprocess.run(
            [program, word], capture_output=True, text=True, errors="replace", check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _cpu(root: Path) -> str | None:
    if parts := _cpuinfo(root, "CPU part"):
        names = (ARM_CORES.get(part.lower(), f"Arm {part}") for part in parts)
        return " + ".join(dict.fromkeys(names))  # one name, or the two of big and little cores
    models = _cpuinfo(root, "model name")
    return models[0] if models else None


def _cpuinfo(root: Path, key: str) -> list[str]:
    found: list[str] = re.findall(rf"^{key}\s*: (.+)$", _text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return [value.strip() for value in found]


def _os(root: Path) -> str | None:
    for file in (root / "etc/os-release", root / "usr/lib/os-release"):
        if found := re.search(r'^PRETTY_NAME="?([^"\n]+)', _text(file) or "", re.MULTILINE):
            return found[1]
    return None


def _number(file: Path) -> float | None:
    try:
        return float(_text(file) or "")
    except ValueError:
        return None


def _text(file: Path) -> str | None:
    """What a file says, without the NUL that ends a device tree's strings; an unreadable one says nothing."""
    try:
        return file.read_text("utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
