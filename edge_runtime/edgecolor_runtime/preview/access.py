"""Who may use a page: on this machine everybody, elsewhere who has the token; never another web page."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import string
import threading
import time
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from edgecolor_runtime.errors import UsageError

LOOPBACK = "127.0.0.1"

MIN_TOKEN_CHARACTERS = 16
"""Length of the shortest token. 16 random letters and digits have 95 bits."""

MAX_DELAY_SECONDS = 8.0
"""Longest delay of the response to a wrong token."""

_FIRST_DELAY_SECONDS = 0.5  # doubled by each further wrong token from the same address
_FORGET_SECONDS = 60.0  # after this time without a wrong token, an address starts again
_MAX_ADDRESSES = 1024  # addresses that are remembered; the oldest are forgotten

_LOCAL_NAMES = {LOOPBACK, "localhost", "::1"}  # in requests of this machine, or through an SSH tunnel
_TOKEN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-._~")  # valid in addresses and cookies


@dataclass(frozen=True)
class AccessRules:
    """What a request needs to be served.

    Attributes:
        local: the server listens on 127.0.0.1 only.
        token: the secret that a request needs; None: it needs none.
    """

    local: bool
    token: str | None

    @classmethod
    def for_host(cls, host: str, token: str | None) -> AccessRules:
        """Return the rules of a server that listens on `host`.

        Any host but 127.0.0.1 needs a token. If none is given, a new one is generated.

        Raises:
            UsageError: the token is empty or short, or has a character that is not valid in an address.
        """
        local = host in (LOOPBACK, "localhost")
        if token is None:
            return cls(local, None if local else secrets.token_urlsafe())
        if not token or not _TOKEN_CHARACTERS.issuperset(token):
            raise UsageError(
                "this token is not valid: use letters, digits and - . _ ~, or leave it out to generate one"
            )
        if len(token) < MIN_TOKEN_CHARACTERS:
            raise UsageError(
                f"this token has {len(token)} characters: use at least {MIN_TOKEN_CHARACTERS}, "
                "or leave it out to generate one"
            )
        return cls(local, token)

    def expects_host(self, headers: Message) -> bool:
        """Return whether the Host header is a name of this machine.

        Checked on loopback only. Without this check another site could point its own name to this address
        (DNS rebinding) and read what no token protects.
        """
        try:
            return not self.local or urlsplit(f"//{headers.get('Host', '')}").hostname in _LOCAL_NAMES
        except ValueError:
            return False

    def is_token(self, text: str) -> bool:
        """Return whether this is the token. The time does not depend on how much of it is right."""
        return self.token is not None and hmac.compare_digest(text.encode(), self.token.encode())

    def has_token(self, headers: Message, cookie: str, query_token: str) -> bool:
        """Return whether a request has any token, right or wrong."""
        names = (part.strip().partition("=")[0] for part in headers.get("Cookie", "").split(";"))
        return bool(query_token) or "Authorization" in headers or cookie in names

    def admits(self, headers: Message, cookie: str) -> bool:
        """Return whether a request has the token, in the cookie of this name or as a bearer token."""
        if self.token is None:
            return True
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(bearer.strip()):
            return True
        cookies = (part.strip().partition("=") for part in headers.get("Cookie", "").split(";"))
        return any(name == cookie and self.is_token(value) for name, _, value in cookies)


class FailedTokens:
    """Counts wrong tokens per address, to slow down an address that guesses. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, tuple[int, float]] = {}  # network -> wrong tokens, time of the last one

    def count(self, host: str) -> float:
        """Count a wrong token of a client, and return the seconds by which to delay its response."""
        network, now = network_of(host), time.monotonic()
        with self._lock:
            failures, last = self._failures.pop(network, (0, now))
            failures = failures + 1 if now - last < _FORGET_SECONDS else 1
            self._failures[network] = failures, now
            while len(self._failures) > _MAX_ADDRESSES:
                del self._failures[next(iter(self._failures))]
        return min(MAX_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 10))


def network_of(host: str) -> str:
    """Return what stands for one client: its IPv4 address, or the first 64 bits of its IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))


def is_own_page(headers: Message) -> bool:
    """Return whether a request comes from our page, or from no page: a typed address, or a program.

    Browsers report the origin in Sec-Fetch-Site. Older browsers report it at least in Origin.
    """
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    host = headers.get("Host")
    return headers.get("Origin") in (None, f"http://{host}", f"https://{host}")
