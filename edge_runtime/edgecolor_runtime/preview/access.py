"""Who may use a page: on this machine everybody, elsewhere who has the token; never another web page."""

from __future__ import annotations

import hmac
import secrets
import string
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from edgecolor_runtime.errors import UsageError

LOOPBACK = "127.0.0.1"

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
            UsageError: the token is empty, or has a character that is not valid in an address.
        """
        local = host in (LOOPBACK, "localhost")
        if token is None:
            return cls(local, None if local else secrets.token_urlsafe())
        if not token or not _TOKEN_CHARACTERS.issuperset(token):
            raise UsageError(
                "this token is not valid: use letters, digits and - . _ ~, or leave it out to generate one"
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

    def admits(self, headers: Message, cookie: str) -> bool:
        """Return whether a request has the token, in the cookie of this name or as a bearer token."""
        if self.token is None:
            return True
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(bearer.strip()):
            return True
        cookies = (part.strip().partition("=") for part in headers.get("Cookie", "").split(";"))
        return any(name == cookie and self.is_token(value) for name, _, value in cookies)


def is_own_page(headers: Message) -> bool:
    """Return whether a request comes from our page, or from no page: a typed address, or a program.

    Browsers report the origin in Sec-Fetch-Site. Older browsers report it at least in Origin.
    """
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    host = headers.get("Host")
    return headers.get("Origin") in (None, f"http://{host}", f"https://{host}")
