"""Facts about machines: a Raspberry Pi 4 and 5 by their files, a machine without files, and this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecolor_runtime.system import machine

Board = Callable[..., Path]


def test_a_pi_4(pi: Board) -> None:
    root = pi(4)
    description = machine.describe_machine(root)
    assert description["board"] == "Raspberry Pi 4 Model B Rev 1.0"
    assert (description["cpu"], description["cores"]) == ("Cortex-A72", 4)
    assert description["memory_bytes"] == 3884360 * 1024
    assert machine.read_memory(root) == (3884360 * 1024, 3200000 * 1024)
    assert (description["os"], description["kernel"]) == (
        "Debian GNU/Linux 12 (bookworm)",
        "6.6.51+rpt-rpi-v8",
    )
    assert machine.read_temperature(root) == pytest.approx(48.312)
    assert machine.read_clock(root) == machine.Clock(
        now=1500, lowest=600, highest=1800, governor="ondemand", driver="cpufreq-dt"
    )
    assert machine.read_throttling(root) == machine.Throttling((), ())
    assert machine.read_power(root) is None and machine.read_supply(root) is None
    assert machine.read_peak_memory(root) == 65000 * 1024


def test_a_pi_5_measures_its_power(pi: Board) -> None:
    root = pi(5)
    assert machine.describe_machine(root)["cpu"] == "Cortex-A76"
    # Only rails with both a current and a voltage count, not the 5 V input and the clock's battery.
    power = machine.read_power(root)
    assert power is not None and power.sensor == "pmic"
    assert power.watts == pytest.approx(3.3 * 0.05 + 0.8 * 2)
    offered = root / "proc/device-tree/chosen/power/max_current"
    offered.parent.mkdir(parents=True)
    offered.write_bytes((3000).to_bytes(4, "big"))
    assert machine.read_supply(root) == machine.Supply(5.11478, 3)


@pytest.mark.parametrize(
    ("word", "now", "since"),
    [
        ("0x0", (), ()),
        ("0x50005", ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        ("0x80000", (), ("soft temperature limit",)),
        ("0x2", ("clock capped",), ()),
        ("0xe0008", ("soft temperature limit",), ("clock capped", "throttled", "soft temperature limit")),
    ],
)
def test_bits_of_throttling(pi: Board, word: str, now: tuple[str, ...], since: tuple[str, ...]) -> None:
    assert machine.read_throttling(pi(4, word)) == machine.Throttling(now, since)


def test_throttling_without_vcgencmd(pi: Board) -> None:
    """The kernel's file has the same word without 0x; vcgencmd refuses a user who is not in `video`."""
    root = pi(4)
    file = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text("50000\n")
    program = root / "usr/bin/vcgencmd"
    program.write_text("#!/bin/sh\necho VCHI initialization failed\nexit 255\n")
    assert machine.read_throttling(root) == machine.Throttling((), ("under-voltage", "throttled"))
    program.unlink()
    assert machine.read_throttling(root) == machine.Throttling((), ("under-voltage", "throttled"))
    file.write_text("what\n")
    assert machine.read_throttling(root) is None


def test_power_of_another_machine_needs_exactly_one_sensor(tmp_path: Path) -> None:
    for number, name in enumerate(("ina226", "amdgpu")):
        folder = tmp_path / f"sys/class/hwmon/hwmon{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "power1_input").write_text("4250000\n")
        expected = machine.Power(4.25, "ina226") if number == 0 else None
        assert machine.read_power(tmp_path) == expected


def test_big_and_little_cores(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    parts = ["0xd05"] * 4 + ["0xd0b"] * 2 + ["0xfff"]
    text = "".join(f"processor\t: {i}\nCPU part\t: {part}\n\n" for i, part in enumerate(parts))
    (tmp_path / "proc/cpuinfo").write_text(text)
    description = machine.describe_machine(tmp_path)
    assert (description["cpu"], description["cores"]) == ("Cortex-A55 + Cortex-A76 + Arm 0xfff", 7)
    for number, highest in ((0, 1800000), (4, 2400000)):
        policy = tmp_path / f"sys/devices/system/cpu/cpufreq/policy{number}"
        policy.mkdir(parents=True)
        (policy / "cpuinfo_max_freq").write_text(f"{highest}\n")
        (policy / "scaling_max_freq").write_text(f"{highest}\n")
    assert machine.read_clock(tmp_path) == machine.Clock(
        now=None, lowest=None, highest=2400, governor=None, driver=None
    )


def test_the_temperature_of_the_board_does_not_count(tmp_path: Path) -> None:
    for number, (kind, degrees) in enumerate(
        (("acpitz", 27800), ("iwlwifi_1", 40000), ("x86_pkg_temp", 61000))
    ):
        assert machine.read_temperature(tmp_path) is None
        zone = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(f"{kind}\n")
        (zone / "temp").write_text(f"{degrees}\n")
    assert machine.read_temperature(tmp_path) == 61


def test_busy_seconds(tmp_path: Path) -> None:
    assert machine.read_busy_seconds(tmp_path) is None
    (tmp_path / "proc").mkdir()
    ticks = os.sysconf("SC_CLK_TCK")
    times = [3, 1, 2, 900, 50, 0.5, 0.25, 0.25, 2, 1]  # the last two (guests) are part of the first two
    (tmp_path / "proc/stat").write_text(f"cpu  {' '.join(str(int(t * ticks)) for t in times)}\ncpu0 1 2\n")
    assert machine.read_busy_seconds(tmp_path) == 7


def test_unknown_values_are_none(tmp_path: Path) -> None:
    description = machine.describe_machine(tmp_path)
    assert {description[key] for key in ("board", "cpu", "cores", "memory_bytes", "os", "kernel")} == {None}
    assert machine.read_memory(tmp_path) == (None, None)
    readers = (machine.read_clock, machine.read_power, machine.read_supply, machine.read_temperature)
    for read in (*readers, machine.read_throttling):
        assert read(tmp_path) is None


def test_unreadable_files_give_none(pi: Board) -> None:
    root = pi(4)
    (root / "sys/class/thermal/thermal_zone0/temp").write_text("\n")
    (root / "proc/cpuinfo").write_bytes(b"\xff\xfe model name\n")
    (root / "proc/meminfo").unlink()
    (root / "usr/bin/vcgencmd").chmod(0o644)
    assert machine.read_temperature(root) is None
    assert machine.describe_machine(root)["cpu"] is None
    assert machine.read_memory(root) == (None, None)
    assert machine.read_throttling(root) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's files")
def test_this_machine() -> None:
    description = machine.describe_machine()
    assert description["cores"] == os.cpu_count()
    assert description["kernel"] == os.uname().release
    assert description["memory_bytes"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's files")
def test_peak_memory_is_that_of_this_process() -> None:
    """The parent once took 300 MB. The child takes 100 MB and frees them before it reads its peak."""
    child = (
        "from edgecolor_runtime.system import machine; "
        "b = b'1' * (100 << 20); del b; print(machine.read_peak_memory())"
    )
    big = bytearray(300 << 20)
    big[:: 1 << 12] = b"1" * len(big[:: 1 << 12])
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    del big
    assert 100 << 20 < int(done.stdout) < 200 << 20
    own = machine.read_peak_memory()
    assert own is not None and own > 300 << 20
