"""What systemd hears of `edgecolor run --camera`: the service's watchdog depends on it."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from edgecolor.cli import main

GONE = """
import sys
from edgecolor.cli import main
from edgecolor_runtime.errors import CameraError
from edgecolor_runtime.sources.playback import Playback
def step(self):
    raise CameraError("camera: unplugged")
Playback._step = step
sys.exit(main(sys.argv[1:]))
"""


def test_systemd_hears_of_the_start_and_of_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "camera").mkdir()
    for n in range(3):
        Image.new("L", (64, 48), 40 * n).save(tmp_path / f"camera/{n}.png")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        words = ["run", "--camera", str(tmp_path / "camera"), "-o", str(tmp_path / "out"), "--quiet"]
        assert main([*words, "--frames", "1"]) == 0
        reports = iter(lambda: systemd.recv(64), b"STOPPING=1")
        after_start = itertools.dropwhile(lambda report: report != b"READY=1", reports)
        assert list(after_start) == [b"READY=1", b"WATCHDOG=1"]


def test_systemd_hears_while_a_camera_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera is gone before its first frame. The service has started, and its watchdog is fed."""
    (tmp_path / "camera").mkdir()
    Image.new("L", (64, 48)).save(tmp_path / "camera/0.png")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        words = ["run", "--camera", str(tmp_path / "camera"), "--no-preview", "--reconnect", "--quiet"]
        with subprocess.Popen([sys.executable, "-c", GONE, *words]) as service:
            assert [systemd.recv(64) for _ in range(6)] == [b"READY=1", *[b"WATCHDOG=1"] * 5]
            service.send_signal(signal.SIGTERM)
            last = b""
            while last != b"STOPPING=1":
                last = systemd.recv(64)
        assert service.returncode == 0
