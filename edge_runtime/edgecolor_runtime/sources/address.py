"""The address of a stream as it may be shown: without user, password and keys."""

from __future__ import annotations

import re

HIDDEN = "***"
"""What stands for a hidden part."""

_SECRET = re.compile(
    r"((?:user|usr|login|account|pass|pwd|psw|token|auth|key|secret|credential)\w*=|\b(?:u|p|pw)=)[^&;?#/\s]*",
    re.IGNORECASE,
)
"""A parameter that holds a secret, in the query or in the path of an address."""


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # a scheme has at least two letters, a drive has one


def is_address(name: str) -> bool:
    """Return whether a name is the address of a stream, such as rtsp://host/live, and not a path."""
    return _ADDRESS.match(name) is not None


def hide_secrets(name: str) -> str:
    """Return the name of a camera without user and password, for messages, statistics and pages.

    Whatever stands before the last "@" is hidden, because passwords may contain "/", "?" and "@".

    Args:
        name: the address of a stream, or any other name of a camera.
    """
    scheme, separator, rest = name.partition("://")
    if not separator:
        scheme, rest = "", name
    _, at, location = rest.rpartition("@")
    if at:
        rest = f"{HIDDEN}@{location}"
    return scheme + separator + _SECRET.sub(rf"\1{HIDDEN}", rest)
