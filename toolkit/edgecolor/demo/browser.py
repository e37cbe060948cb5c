"""The browser of this machine, which `edgecolor demo` opens."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser


def has_browser() -> bool:
    """Return whether the user sits at this machine and it has a display, as far as the environment tells."""
    if any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(address: str) -> None:
    """Open an address in the browser of this machine, without waiting for the browser."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
