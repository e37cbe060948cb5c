"""Who may look at the preview: this machine, or who has the token. No other web page on their behalf."""

from __future__ import annotations

import hmac
import secrets
import string
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from edgecolor_runtime.errors import UsageError

LOOPBACK = "127.0.0.1"

_LOCAL_NAMES = {LOOPBACK, "localhost", "::1"}  # as a browser here or behind an SSH tunnel says it
_TOKEN_LETTERS = frozenset(
    string.ascii_letters + string.digits + "-._~"
)  # the same in an address and a cookie


@dataclass(frozen=True)
class Guard:
    """What a request must show.

    Attributes:
        local: The server listens on 127.0.0.1 only.
        token: The secret; None where it takes none.
    """

    local: bool
    token: str | None

    @classmethod
    def of(cls, host: str, token: str | None) -> Guard:
        """The guard of a server at `host`: any but 127.0.0.1 takes a token, a new one where none is given.

        Raises:
            UsageError: The token cannot stand in an address, or is empty.
        """
        local = host in (LOOPBACK, "localhost")
        if token is None:
            return cls(local, None if local else secrets.token_urlsafe())
        if not token or not _TOKEN_LETTERS.issuperset(token):
            raise UsageError("a token is made of letters, digits and - . _ ~; leave it out and one is made")
        return cls(local, token)

    def expects_host(self, headers: Message) -> bool:
        """Whether the Host header is a name of this machine.

        On loopback only: there another site could give its own name this address (DNS rebinding) and read
        what no token protects.
        """
        try:
            return not self.local or urlsplit(f"//{headers.get('Host', '')}").hostname in _LOCAL_NAMES
        except ValueError:
            return False

    def knows(self, shown: str) -> bool:
        """Whether this is the token; in the same time however much of it is right."""
        return self.token is not None and hmac.compare_digest(shown.encode(), self.token.encode())

    def admits(self, headers: Message, cookie: str) -> bool:
        """Whether a request brings the token, in the cookie of this name or as a bearer's."""
        if self.token is None:
            return True
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.knows(bearer.strip()):
            return True
        crumbs = (part.strip().partition("=") for part in headers.get("Cookie", "").split(";"))
        return any(name == cookie and self.knows(value) for name, _, value in crumbs)


def own_page(headers: Message) -> bool:
    """Whether a request comes from our page, or from no page at all: a typed address, a program.

    Browsers say so in Sec-Fetch-Site, older ones at least in Origin.
    """
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    host = headers.get("Host")
    return headers.get("Origin") in (None, f"http://{host}", f"https://{host}")
