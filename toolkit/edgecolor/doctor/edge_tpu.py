"""A Coral Edge TPU: on USB or PCI Express, its driver, its library, and whether this user may open it.

Identifiers, groups and packages are those of https://coral.ai/docs/accelerator/get-started/ and
https://coral.ai/docs/m2/get-started/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgecolor.doctor.finding import Finding, Host, note, ok, problem, read_text

USB_FRESH = ("1a6e", "089a")  # vendor and product until its first use; then it gets its program, and becomes
USB_USED = ("18d1", "9302")
PCI = ("0x1ac1", "0x089a")
LIBRARY = "libedgetpu.so.1"

_USB_3 = 5000  # Mbit/s
_RULES = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_RELOAD = "sudo udevadm control --reload-rules && sudo udevadm trigger"
_USB_RULE = "\\n".join(
    f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", GROUP="plugdev"'
    for vendor, product in (USB_FRESH, USB_USED)
)
_APEX_RULE = 'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"'
_ABOUT = "edge tpu"


def edge_tpu(host: Host) -> Iterator[Finding]:
    """What is plugged in, and what it lacks."""
    usb = _entries(host.root / "sys/bus/usb/devices", ("idVendor", "idProduct"), (USB_FRESH, USB_USED))
    pci = _entries(host.root / "sys/bus/pci/devices", ("vendor", "device"), (PCI,))
    if not usb and not pci:
        yield ok(_ABOUT, "none plugged in; models run on the CPU")
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


def _usb(host: Host, entry: Path) -> Iterator[Finding]:
    bus, number = (int(read_text(entry / file) or 0) for file in ("busnum", "devnum"))
    node = host.root / f"dev/bus/usb/{bus:03}/{number:03}"
    used = (read_text(entry / "idVendor"), read_text(entry / "idProduct")) == USB_USED
    about = f"on USB, {'in use before' if used else 'not used since it was plugged in'}"
    if host.may_use(node):
        yield ok(_ABOUT, about)
    else:
        yield problem(
            _ABOUT,
            f"{about}: this user may not open it",
            _permission(host.root, USB_USED[1], "plugdev", "71-edgetpu.rules", _USB_RULE),
        )
    speed = read_text(entry / "speed")
    if speed.isdigit() and int(speed) < _USB_3:
        yield note(
            _ABOUT, f"on a port of {speed} Mbit/s: every picture waits for the cable", "use a USB 3 port"
        )


def _pci(host: Host) -> Finding:
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
        _permission(host.root, "apex", "apex", "65-apex.rules", _APEX_RULE),
    )


def _permission(root: Path, mark: str, group: str, file: str, rule: str) -> str:
    """The commands that let this user in: the udev rule where no file has one, and its group."""
    files = [path for folder in _RULES for path in (root / folder).glob("*.rules")]
    join = f'sudo usermod -aG {group} "$USER", then log in again and plug it in again'
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
