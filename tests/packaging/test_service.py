"""The systemd service of a bundle: what it may not do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "toolkit/edgecolor/bundle/device_files/edgecolor.service"
MAX_EXPOSURE = 25  # of systemd-analyze security: 0 to 100, its printed level times 10

EXPECTED = {
    "CapabilityBoundingSet": [""],
    "DevicePolicy": ["closed"],
    "DynamicUser": ["yes"],
    "MemoryMax": ["75%"],
    "NoNewPrivileges": ["yes"],
    "PrivateMounts": ["yes"],
    "PrivateTmp": ["yes"],
    "ProtectClock": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectHome": ["read-only"],
    "ProtectHostname": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectProc": ["invisible"],
    "ProtectSystem": ["strict"],
    "RestrictNamespaces": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "SystemCallArchitectures": ["native"],
    "SystemCallErrorNumber": ["EPERM"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "TasksMax": ["512"],
    "UMask": ["0077"],
}
DEVICES = {"char-video4linux", "char-media", "char-dma_heap", "char-usb_device", "char-apex"}


def directives(text: str) -> dict[str, list[str]]:
    """Return the directives of a unit; a line that follows a line is a value more."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values.setdefault(key, []).append(value)
    return values


def test_the_service_has_its_limits() -> None:
    unit = directives(UNIT.read_text("utf-8"))
    assert {key: unit.get(key) for key in EXPECTED} == EXPECTED
    assert {line.removesuffix(" rw") for line in unit["DeviceAllow"]} == DEVICES


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_sees_little_exposure(tmp_path: Path) -> None:
    service = tmp_path / "edgecolor.service"
    text = UNIT.read_text("utf-8").replace("@PREFIX@/current/edgecolor", "/bin/true")
    service.write_text(text.replace("@PREFIX@", "/opt/edgecolor").replace("@TRUSTED@", ""), "utf-8")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", str(service)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(service)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
