"""What systemd hears of `edgecolor run --camera`: the service's watchdog depends on it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from PIL import Image

from edgecolor.cli import main


def test_systemd_hears_of_the_start_and_of_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "camera").mkdir()
    for n in range(3):
        Image.new("L", (64, 48), 40 * n).save(tmp_path / f"camera/{n}.png")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        words = ["run", "--camera", str(tmp_path / "camera"), "-o", str(tmp_path / "out"), "--quiet"]
        assert main([*words, "--frames", "1"]) == 0
        assert [systemd.recv(64) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
