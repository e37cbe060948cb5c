"""Examine the access to cameras: the Raspberry Pi's own through picamera2, and all others."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

from edgecolor.doctor.finding import Finding, HostMachine, note, ok, problem, read_text
from edgecolor_runtime.sources.desktop_camera import DEVICES
from edgecolor_runtime.sources.v4l2 import PI_CHAIN
from edgecolor_runtime.system import machine
from edgecolor_runtime.system.commands import pip_install

PICAMERA2 = "usr/lib/python3/dist-packages/picamera2"  # where Debian's python3-picamera2 puts it

_SYSTEM_PACKAGES = re.compile(r"(?im)^include-system-site-packages\s*=\s*true\s*$")


def examine_pi_camera(host: HostMachine) -> Iterator[Finding]:
    """Examine, on a Raspberry Pi, whether this Python can import picamera2."""
    if not (machine.read_board_name(host.root) or "").startswith("Raspberry Pi"):
        return
    reason = host.import_error("picamera2")
    settings = host.prefix / "pyvenv.cfg"
    if reason is None:
        yield ok("pi camera", "picamera2 loads")
    elif not (host.root / PICAMERA2).is_dir():
        yield note(
            "pi camera",
            "picamera2 is not installed: a camera on the ribbon cable does not work without it",
            "sudo apt install python3-picamera2",
        )
    elif settings.is_file() and not _SYSTEM_PACKAGES.search(read_text(settings)):
        yield problem(
            "pi camera",
            "picamera2 is installed, but this virtual environment does not see the system's packages",
            f"sed -i 's/^include-system-site-packages.*/include-system-site-packages = true/' '{settings}'",
        )
    elif "No module named 'picamera2'" in reason or "No module named 'libcamera'" in reason:
        yield problem(
            "pi camera",
            "picamera2 is installed, but for the system's Python and not for this one",
            "/usr/bin/python3 -m venv --system-site-packages new-venv, then install edgecolor in new-venv",
        )
    else:
        # Debian's simplejpeg is built for numpy 1 and fails so under a numpy 2 of the virtual environment.
        reinstall = "sudo apt install --reinstall python3-picamera2"
        fix = pip_install("numpy<2") if "numpy" in reason else reinstall
        yield problem("pi camera", f"picamera2 is installed and does not load: {reason}", fix)


def examine_usb_cameras(host: HostMachine) -> Iterator[Finding]:
    """Examine the cameras that Video4Linux, Windows or macOS lists, and on Linux the right to open them."""
    yield from _desktop_cameras(host) if sys.platform in DEVICES else _v4l2_cameras(host)


def _desktop_cameras(host: HostMachine) -> Iterator[Finding]:
    child = host.run(["-m", "edgecolor", "run", "--list-cameras", "--json"])
    if child.code != 0:
        yield note("camera", child.reason)
        return
    names = [camera["name"] for camera in json.loads(child.stdout)]
    yield ok("camera", ", ".join(names) or "no camera is connected")


def _v4l2_cameras(host: HostMachine) -> Iterator[Finding]:
    cameras = []
    for entry in sorted((host.root / "sys/class/video4linux").glob("video*")):
        name, index = (read_text(entry / file) for file in ("name", "index"))
        # A USB camera lists its metadata as a second device, of index 1.
        if not name.startswith(PI_CHAIN) and index in ("", "0"):
            cameras.append((host.root / "dev" / entry.name, name))
    if not cameras:
        yield ok("usb camera", "no camera is connected")
    for device, name in cameras:
        about = f"/dev/{device.name}, {name}"
        if not device.exists():
            yield problem(
                "usb camera",
                f"{about}: the system lists this camera, but it has no device file",
                "disconnect the camera and connect it again",
            )
        elif host.may_use(device):
            yield ok("usb camera", about)
        else:
            yield problem(
                "usb camera",
                f"{about}: this user may not open it",
                'sudo usermod -aG video "$USER", then log in again',
            )
