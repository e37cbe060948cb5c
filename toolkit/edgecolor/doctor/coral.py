"""Examine a Coral Edge TPU on USB or PCI Express: driver, library, and whether this user may open it.

Identifiers, groups and packages are those of https://coral.ai/docs/accelerator/get-started/ and
https://coral.ai/docs/m2/get-started/.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from edgecolor.doctor.finding import Finding, HostMachine, note, ok, problem, read_text

USB_UNUSED_ID = ("1a6e", "089a")  # vendor and product until the first use, which loads its firmware
USB_USED_ID = ("18d1", "9302")  # vendor and product from then on
PCI_ID = ("0x1ac1", "0x089a")
LIBRARY = "libedgetpu.so.1"

USB_3_MBIT_PER_SECOND = 5000
_RULES = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_RELOAD = "sudo udevadm control --reload-rules && sudo udevadm trigger"
_USB_RULE = "\\n".join(
    f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", GROUP="plugdev"'
    for vendor, product in (USB_UNUSED_ID, USB_USED_ID)
)
_APEX_RULE = 'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"'
_ABOUT = "edge tpu"


def examine_edge_tpu(host: HostMachine) -> Iterator[Finding]:
    """Examine the Edge TPUs that are connected, and what they need. Only Linux lists them."""
    if sys.platform in ("win32", "darwin"):
        return
    usb = _entries(host.root / "sys/bus/usb/devices", ("idVendor", "idProduct"), (USB_UNUSED_ID, USB_USED_ID))
    pci = _entries(host.root / "sys/bus/pci/devices", ("vendor", "device"), (PCI_ID,))
    if not usb and not pci:
        yield ok(_ABOUT, "none is connected; models run on the CPU")
        return
    for entry in usb:
        yield from _usb(host, entry)
    if pci:
        yield _pci(host)
    if _library(host.root):
        yield ok(_ABOUT, f"{LIBRARY} is installed")
    else:
        yield problem(
            _ABOUT,
            f"{LIBRARY} is not installed: --delegate edgetpu cannot be loaded",
            "sudo apt install libedgetpu1-std, after the steps of https://coral.ai/docs/accelerator/get-started/",
        )


def _usb(host: HostMachine, entry: Path) -> Iterator[Finding]:
    bus, number = (int(read_text(entry / file) or 0) for file in ("busnum", "devnum"))
    node = host.root / f"dev/bus/usb/{bus:03}/{number:03}"
    used = (read_text(entry / "idVendor"), read_text(entry / "idProduct")) == USB_USED_ID
    about = f"on USB, {'used before' if used else 'not used since it was connected'}"
    if host.may_use(node):
        yield ok(_ABOUT, about)
    else:
        yield problem(
            _ABOUT,
            f"{about}: this user may not open it",
            _permission_fix(
                host.root, USB_USED_ID[1], group="plugdev", file="71-edgetpu.rules", rule=_USB_RULE
            ),
        )
    speed = read_text(entry / "speed")
    if speed.isdigit() and int(speed) < USB_3_MBIT_PER_SECOND:
        yield note(
            _ABOUT, f"on a port of {speed} Mbit/s: inference waits for the transfer", "use a USB 3 port"
        )


def _pci(host: HostMachine) -> Finding:
    node = host.root / "dev/apex_0"
    if not node.exists():
        return problem(
            _ABOUT,
            "on PCI Express, but its driver is not loaded: there is no /dev/apex_0",
            "sudo apt install gasket-dkms && sudo modprobe apex, after the steps of "
            "https://coral.ai/docs/m2/get-started/",
        )
    if host.may_use(node):
        return ok(_ABOUT, "on PCI Express, /dev/apex_0")
    return problem(
        _ABOUT,
        "/dev/apex_0: this user may not open it",
        _permission_fix(host.root, "apex", group="apex", file="65-apex.rules", rule=_APEX_RULE),
    )


def _permission_fix(root: Path, mark: str, *, group: str, file: str, rule: str) -> str:
    """Return the commands that let this user open the device: the group, and a udev rule if none exists."""
    files = [path for folder in _RULES for path in (root / folder).glob("*.rules")]
    join = f'sudo usermod -aG {group} "$USER", then log in again and reconnect the device'
    if any(mark in read_text(path) for path in files):
        return join
    create = (
        f"sudo groupadd -f {group} && printf '{rule}\\n' | sudo tee /etc/udev/rules.d/{file} && {_RELOAD}"
    )
    return f"{create} && {join}"


def _entries(bus: Path, files: tuple[str, str], wanted: tuple[tuple[str, str], ...]) -> list[Path]:
    return [
        entry
        for entry in sorted(bus.glob("*"))
        if (read_text(entry / files[0]), read_text(entry / files[1])) in wanted
    ]


def _library(root: Path) -> bool:
    folders = ("usr/lib", "usr/lib/*", "usr/local/lib", "lib/*")
    return any(path.exists() for folder in folders for path in root.glob(f"{folder}/{LIBRARY}"))
