"""The board: what it is, its power, heat and clock, its memory and disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from edgecolor.doctor.finding import Finding, Host, note, ok, problem
from edgecolor_runtime.system import machine

# A Pi's clock falls from 80 C on, and more at 85 C; "Frequency management and thermal control" in
# https://www.raspberrypi.com/documentation/computers/raspberry-pi.html
HOT, WARM = 80, 70  # C
PI_5_AMPERES = 5.0  # of its own power supply; with less, USB devices get less
LEAST_MEMORY = 150 << 20  # bytes: a process that colors takes half of it, and larger frames more
LEAST_DISK = 200 << 20

_COOL = "a heat sink or a fan, and air around it"
_FEED = "use the power supply that is made for this board, with its own cable"
_MENDS = dict(zip(machine.THROTTLING, (_FEED, _COOL, _COOL, _COOL), strict=True))
_STEADY_DRIVERS = ("intel_pstate", "amd-pstate-epp")  # whose "powersave" rises under load, too


def board(host: Host) -> Iterator[Finding]:
    """What this machine is."""
    about = machine.identity(host.root)
    size = about["memory_bytes"] and f"{about['memory_bytes'] / 1e9:.1f} GB"
    cpu = about["cpu"] and f"{about['cores']} x {about['cpu']}"
    parts = (about["board"], cpu, size, about["os"], about["kernel"])
    yield ok("machine", ", ".join(part for part in parts if part) or "it says nothing of itself")


def power_and_heat(host: Host) -> Iterator[Finding]:
    """Throttling, the power supply, temperature, and what rules the clock."""
    yield from _throttling(host.root)
    yield from _supply(host.root)
    degrees = machine.temperature(host.root)
    if degrees is not None:
        text = f"{degrees:.0f} C"
        if degrees >= HOT:
            yield problem("temperature", f"{text}: the clock falls from {HOT} C on", _COOL)
        elif degrees >= WARM:
            yield note("temperature", f"{text}: not far from {HOT} C, where the clock falls", _COOL)
        else:
            yield ok("temperature", text)
    clock = machine.clock(host.root)
    if clock is not None:
        yield _clock(clock)


def memory_and_disk(host: Host) -> Iterator[Finding]:
    """What is free."""
    _, available = machine.memory(host.root)
    if available is not None:
        text = f"{available / 1e6:.0f} MB free"
        if available < LEAST_MEMORY:
            yield problem("memory", f"{text}: too little to color large frames", "end other programs")
        else:
            yield ok("memory", text)
    free = shutil.disk_usage(Path.cwd()).free
    text = f"{free / 1e9:.1f} GB free here"
    if free < LEAST_DISK:
        yield problem(
            "disk", f"{text}: too little for videos and many photographs", "free some, or work elsewhere"
        )
    else:
        yield ok("disk", text)


def _throttling(root: Path) -> Iterator[Finding]:
    found = machine.throttled(root)
    if found is None:
        return
    for name in found.now:
        yield problem("power and heat", f"at this moment: {name}", _MENDS[name])
    for name in found.since_boot:
        if name not in found.now:
            yield note("power and heat", f"at some time since boot: {name}", _MENDS[name])
    if not found.now and not found.since_boot:
        yield ok("power and heat", "the board was not held back since it booted")


def _supply(root: Path) -> Iterator[Finding]:
    found = machine.supply(root)
    if found is None:
        return
    volts = found.volts is not None and f"{found.volts:.2f} V at the board"
    amperes = found.amperes is not None and f"{found.amperes:g} A offered"
    text = ", ".join(part for part in (volts, amperes) if part)
    if found.amperes is not None and found.amperes < PI_5_AMPERES:
        yield note("power supply", f"{text}: {PI_5_AMPERES:g} A are meant", _FEED)
    else:
        yield ok("power supply", text)


def _clock(clock: machine.Clock) -> Finding:
    parts = (
        clock.now is not None and f"{clock.now:.0f} MHz now",
        clock.highest is not None and f"{clock.highest:.0f} MHz at most",
        clock.governor and f"governor {clock.governor}",
    )
    text = ", ".join(part for part in parts if part) or "not told"
    if clock.governor == "powersave" and clock.driver not in _STEADY_DRIVERS:
        return note(
            "clock",
            f"{text}: it stays at its lowest",
            "echo ondemand | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
        )
    return ok("clock", text)
