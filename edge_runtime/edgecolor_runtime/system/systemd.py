"""Word to systemd that this process works, for `Type=notify` and `WatchdogSec=`; elsewhere nothing happens.

The protocol is that of sd_notify(3): one datagram of NAME=value to the socket that NOTIFY_SOCKET names.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def ready() -> None:
    """The first frame is out: the service counts as started."""
    _send(b"READY=1")


def alive() -> None:
    """A frame is out: the watchdog waits anew. Takes some microseconds, so call it for each."""
    _send(b"WATCHDOG=1")


def stopping() -> None:
    """The process ends because it was asked to."""
    _send(b"STOPPING=1")


def _send(state: bytes) -> None:
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    address = "\0" + name[1:] if name.startswith("@") else name  # @: Linux's names without a file
    # If it cannot be sent, the watchdog does what it is for; a picture must not fail over it.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto(state, address)
