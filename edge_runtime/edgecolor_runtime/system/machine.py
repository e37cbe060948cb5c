"""Facts about this machine: board, memory, clock, temperature, power. Unknown values are None, never guesses.

Every function takes the root folder of the file system, so that tests can use the files of another machine.
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
"""Part number in /proc/cpuinfo -> core. Source: register MIDR_EL1 in Arm's technical reference manuals."""

THROTTLING = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
"""Meaning of bits 0 to 3 of `vcgencmd get_throttled`. Bits 16 to 19 mean the same at some time since boot.

Source: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
"""

_FIRST_BIT_NOW = 0
_FIRST_BIT_SINCE_BOOT = 16
_VCGENCMD_SECONDS = 5  # time limit; vcgencmd answers in milliseconds
_CPU_ZONE = re.compile(r"(?i)cpu|soc|pkg|package")  # names of thermal zones; acpitz is the board's
_RAIL = re.compile(r"(\S+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)[AV]")


@dataclass(frozen=True)
class Clock:
    """Clock of the fastest cores.

    Attributes:
        now: present clock in MHz.
        lowest: lowest clock that the governor may choose, in MHz.
        highest: highest clock that the governor may choose, in MHz.
        governor: kernel policy that chooses the clock.
        driver: kernel driver that sets the clock.
    """

    now: float | None
    lowest: float | None
    highest: float | None
    governor: str | None
    driver: str | None


@dataclass(frozen=True)
class Throttling:
    """Entries of THROTTLING that apply now, and those that applied at any time since boot."""

    now: tuple[str, ...]
    since_boot: tuple[str, ...]


@dataclass(frozen=True)
class Power:
    """Power that the machine draws in watts, and the name of the sensor."""

    watts: float
    sensor: str


@dataclass(frozen=True)
class Supply:
    """Power supply of a Raspberry Pi 5: volts at the board's input, and amperes that the supply offers."""

    volts: float | None
    amperes: float | None


def describe_machine(root: Path = ROOT) -> dict[str, Any]:
    """Return the JSON object that describes the machine in a record."""
    processors = _cpuinfo(root, "processor")
    elsewhere = root == ROOT and sys.platform in (
        "win32",
        "darwin",
    )  # without files that describe the machine
    system, release = platform.system(), platform.release()
    if sys.platform == "darwin":
        system, release = "macOS", platform.mac_ver()[0]
    return {
        "board": read_board_name(root),
        "cpu": _cpu(root) or (platform.processor() or None if elsewhere else None),
        "cores": len(processors) or (os.cpu_count() if elsewhere else None),
        "architecture": platform.machine() or None,
        "bits": struct.calcsize("P") * 8,  # of this Python; a 64-bit kernel can run 32-bit programs
        "memory_bytes": read_memory(root)[0],
        "os": f"{system} {release}" if elsewhere else _os(root),
        "kernel": _text(root / "proc/sys/kernel/osrelease"),
        "python": platform.python_version(),
    }


def read_board_name(root: Path = ROOT) -> str | None:
    """Return the name of the board, such as "Raspberry Pi 5 Model B Rev 1.0"."""
    return _text(root / "proc/device-tree/model")


def read_memory(root: Path = ROOT) -> tuple[int | None, int | None]:
    """Return the total memory, and the memory that programs can still use, in bytes."""
    kilobytes = dict(re.findall(r"^(\w+): +(\d+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE))
    total, available = (kilobytes.get(name) for name in ("MemTotal", "MemAvailable"))
    return (total and int(total) * 1024), (available and int(available) * 1024)


def read_peak_memory(root: Path = ROOT) -> int | None:
    """Return the largest resident memory of this process so far, in bytes.

    Linux gives VmHWM. It does not give ru_maxrss, because that includes the peak of the parent process.
    """
    peak = re.search(r"^VmHWM:\s+(\d+) kB", _text(root / "proc/self/status") or "", re.MULTILINE)
    if peak:
        return int(peak[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def read_busy_seconds(root: Path = ROOT) -> float | None:
    """Return the busy time since boot in seconds, summed over all processors.

    Time that the host took from a virtual machine (steal) counts as busy.
    """
    times = re.match(r"cpu +([\d ]+)", _text(root / "proc/stat") or "")
    if times is None:
        return None
    user, nice, system, _idle, _wait, *rest = (int(ticks) for ticks in times[1].split())
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")  # irq, softirq, steal


def read_temperature(root: Path = ROOT) -> float | None:
    """Return the temperature of the processor in degrees Celsius."""
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        degrees = _number(zone / "temp")
        if degrees is not None and _CPU_ZONE.search(_text(zone / "type") or ""):
            return degrees / 1000
    return None


def read_clock(root: Path = ROOT) -> Clock | None:
    """Return the clock of the fastest cores."""
    policies = list((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    if not policies:
        return None
    fastest = max(policies, key=lambda policy: (_number(policy / "cpuinfo_max_freq") or 0, policy.name))
    now, lowest, highest = (
        kilohertz and kilohertz / 1000
        for kilohertz in (_number(fastest / f"scaling_{which}_freq") for which in ("cur", "min", "max"))
    )
    governor, driver = (_text(fastest / f"scaling_{which}") for which in ("governor", "driver"))
    return Clock(now=now, lowest=lowest, highest=highest, governor=governor, driver=driver)


def read_throttling(root: Path = ROOT) -> Throttling | None:
    """Return how the firmware of a Raspberry Pi limits power and heat; None on other machines."""
    answer = re.search(r"throttled=0x([0-9a-fA-F]+)", _vcgencmd(root, "get_throttled") or "")
    bits = answer[1] if answer else None
    # The kernel's file holds the same word, for a system without vcgencmd.
    files = sorted((root / "sys/devices/platform").glob("soc*/*firmware/get_throttled"))
    if bits is None and files:
        bits = _text(files[0])
    if bits is None or not re.fullmatch(r"[0-9a-fA-F]+", bits):
        return None
    word = int(bits, 16)
    now, since = (
        tuple(name for bit, name in enumerate(THROTTLING) if word >> (bit + first) & 1)
        for first in (_FIRST_BIT_NOW, _FIRST_BIT_SINCE_BOOT)
    )
    return Throttling(now, since)


def read_power(root: Path = ROOT) -> Power | None:
    """Return the power that the machine draws.

    On a Raspberry Pi 5 this is the sum over the rails of its power chip. Consumers on the 5 V input itself
    (USB devices, fan, losses) are not measured. On other machines it is the value of the kernel's power
    sensor, if there is exactly one; with several sensors it is not known which of them contain others.
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


def read_supply(root: Path = ROOT) -> Supply | None:
    """Return what is known about the power supply of a Raspberry Pi 5; None on other machines."""
    volts = _rails(root).get("EXT5V", {}).get("V")
    try:
        big_endian = (root / "proc/device-tree/chosen/power/max_current").read_bytes()
    except OSError:
        big_endian = b""
    amperes = int.from_bytes(big_endian, "big") / 1000 if len(big_endian) == 4 else None
    return None if volts is None and amperes is None else Supply(volts, amperes)


def _rails(root: Path) -> dict[str, dict[str, float]]:
    """Return rail -> {"A": amperes, "V": volts}, from lines like "VDD_CORE_A current(7)=0.94657990A"."""
    rails: dict[str, dict[str, float]] = {}
    for name, unit, value in _RAIL.findall(_vcgencmd(root, "pmic_read_adc") or ""):
        rails.setdefault(name, {})[unit] = float(value)
    return rails


def _vcgencmd(root: Path, command: str) -> str | None:
    program = root / "usr/bin/vcgencmd"
    if not program.is_file():
        return None
    try:
        done = subprocess.run(
            [program, command],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_VCGENCMD_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _cpu(root: Path) -> str | None:
    if parts := _cpuinfo(root, "CPU part"):
        names = (ARM_CORES.get(part.lower(), f"Arm {part}") for part in parts)
        return " + ".join(dict.fromkeys(names))  # one name, or two for big and little cores
    models = _cpuinfo(root, "model name")
    return models[0] if models else None


def _cpuinfo(root: Path, key: str) -> list[str]:
    values: list[str] = re.findall(rf"^{key}\s*: (.+)$", _text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return [value.strip() for value in values]


def _os(root: Path) -> str | None:
    for file in (root / "etc/os-release", root / "usr/lib/os-release"):
        if name := re.search(r'^PRETTY_NAME="?([^"\n]+)', _text(file) or "", re.MULTILINE):
            return name[1]
    return None


def _number(file: Path) -> float | None:
    try:
        return float(_text(file) or "")
    except ValueError:
        return None


def _text(file: Path) -> str | None:
    """Return the text of a file without the NUL that ends a device-tree string; None if it is unreadable."""
    try:
        return file.read_text("utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
