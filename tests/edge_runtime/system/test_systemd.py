"""Messages to systemd, received on a real socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecolor_runtime.system import systemd


@pytest.fixture(params=["file", "abstract"])
def listener(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """A socket in NOTIFY_SOCKET: a path, and an abstract name."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name if request.param == "file" else "\0" + name)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name if request.param == "file" else "@" + name)
        yield listener


def test_each_message_is_received(listener: socket.socket) -> None:
    systemd.notify_ready()
    systemd.notify_alive()
    systemd.notify_stopping()
    assert [listener.recv(64) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify_ready()


def test_a_socket_that_is_gone_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.notify_alive()


def test_a_full_socket_does_not_block(listener: socket.socket) -> None:
    for _ in range(5000):  # more than the queue holds
        systemd.notify_alive()
    assert listener.recv(64) == b"WATCHDOG=1"
