"""Report the state of this process to systemd, for `Type=notify` and `WatchdogSec=`.

The protocol is sd_notify(3): one datagram NAME=value to the socket in the variable NOTIFY_SOCKET. Without
this variable nothing is sent.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify_ready() -> None:
    """Report that the service has started: the first frame is out, or a camera is waited for."""
    _send(b"READY=1")


def notify_alive() -> None:
    """Restart the watchdog's time limit; it takes microseconds. Call it for every frame and while waiting."""
    _send(b"WATCHDOG=1")


def notify_stopping() -> None:
    """Report that the process ends on request."""
    _send(b"STOPPING=1")


def _send(state: bytes) -> None:
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    address = "\0" + name[1:] if name.startswith("@") else name  # @ marks a Linux abstract socket
    # If sending fails, the watchdog restarts the service. Coloring must not fail because of it.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto(state, address)
