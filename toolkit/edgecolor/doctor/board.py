"""Examine the board: its identity, power, heat, clock, memory and disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from edgecolor.doctor.finding import Finding, HostMachine, note, ok, problem
from edgecolor_runtime.system import machine

# A Raspberry Pi lowers its clock from 80 C, and further from 85 C. Source: "Frequency management and thermal
# control" in https://www.raspberrypi.com/documentation/computers/raspberry-pi.html
HOT_CELSIUS = 80
WARM_CELSIUS = 70
PI_5_AMPERES = 5.0  # of the power supply that is made for it; with less, USB devices get less current
MIN_MEMORY_BYTES = 150 << 20  # a process that colors needs half of this, and more for larger frames
MIN_DISK_BYTES = 200 << 20

_COOL = "add a heat sink or a fan, and leave room for air"
_FEED = "use the power supply that is made for this board, with its own cable"
_FIXES = dict(zip(machine.THROTTLING, (_FEED, _COOL, _COOL, _COOL), strict=True))
_DRIVERS_THAT_RAISE_THE_CLOCK = ("intel_pstate", "amd-pstate-epp")  # under load, even with "powersave"


def examine_board(host: HostMachine) -> Iterator[Finding]:
    """Name the machine, its CPU, memory and system."""
    about = machine.describe_machine(host.root)
    size = about["memory_bytes"] and f"{about['memory_bytes'] / 1e9:.1f} GB"
    cpu = about["cpu"] and f"{about['cores']} x {about['cpu']}"
    parts = (about["board"], cpu, size, about["os"], about["kernel"])
    text = ", ".join(part for part in parts if part)
    yield ok("machine", text or "not known: the system does not describe it")


def examine_power_and_heat(host: HostMachine) -> Iterator[Finding]:
    """Examine throttling, the power supply, the temperature and the clock."""
    yield from _throttling(host.root)
    yield from _supply(host.root)
    degrees = machine.read_temperature(host.root)
    if degrees is not None:
        text = f"{degrees:.0f} C"
        if degrees >= HOT_CELSIUS:
            yield problem("temperature", f"{text}: the clock is lowered from {HOT_CELSIUS} C", _COOL)
        elif degrees >= WARM_CELSIUS:
            yield note("temperature", f"{text}: close to {HOT_CELSIUS} C, where the clock is lowered", _COOL)
        else:
            yield ok("temperature", text)
    clock = machine.read_clock(host.root)
    if clock is not None:
        yield _clock(clock)


def examine_memory_and_disk(host: HostMachine) -> Iterator[Finding]:
    """Examine the free memory, and the free space of the current folder."""
    _, available = machine.read_memory(host.root)
    if available is not None:
        text = f"{available / 1e6:.0f} MB free"
        if available < MIN_MEMORY_BYTES:
            yield problem("memory", f"{text}: too little to color large frames", "end other programs")
        else:
            yield ok("memory", text)
    free = shutil.disk_usage(Path.cwd()).free
    text = f"{free / 1e9:.1f} GB free here"
    if free < MIN_DISK_BYTES:
        yield problem(
            "disk",
            f"{text}: too little for videos and many photographs",
            "delete files, or work in another folder",
        )
    else:
        yield ok("disk", text)


def _throttling(root: Path) -> Iterator[Finding]:
    throttling = machine.read_throttling(root)
    if throttling is None:
        return
    for name in throttling.now:
        yield problem("power and heat", f"at this moment: {name}", _FIXES[name])
    for name in throttling.since_boot:
        if name not in throttling.now:
            yield note("power and heat", f"at some time since boot: {name}", _FIXES[name])
    if not throttling.now and not throttling.since_boot:
        yield ok("power and heat", "the board was not throttled since it booted")


def _supply(root: Path) -> Iterator[Finding]:
    supply = machine.read_supply(root)
    if supply is None:
        return
    volts = supply.volts is not None and f"{supply.volts:.2f} V at the board"
    amperes = supply.amperes is not None and f"{supply.amperes:g} A offered"
    text = ", ".join(part for part in (volts, amperes) if part)
    if supply.amperes is not None and supply.amperes < PI_5_AMPERES:
        yield note("power supply", f"{text}: the board needs {PI_5_AMPERES:g} A", _FEED)
    else:
        yield ok("power supply", text)


def _clock(clock: machine.Clock) -> Finding:
    parts = (
        clock.now is not None and f"{clock.now:.0f} MHz now",
        clock.highest is not None and f"{clock.highest:.0f} MHz at most",
        clock.governor and f"governor {clock.governor}",
    )
    text = ", ".join(part for part in parts if part) or "not known"
    if clock.governor == "powersave" and clock.driver not in _DRIVERS_THAT_RAISE_THE_CLOCK:
        return note(
            "clock",
            f"{text}: the clock stays at its lowest frequency",
            "echo ondemand | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
        )
    return ok("clock", text)
