"""Where a page of ours is to be opened, said on stderr."""

from __future__ import annotations

import os
import sys


def invite(verb: str, address: str, quiet: bool) -> None:
    """Say "VERB it at ADDRESS", and over SSH how it is reached from the other end."""
    if quiet:
        return
    print(f"{verb} it at {address}", file=sys.stderr, flush=True)
    tunnel = _tunnel(address)
    if tunnel:
        print(f"first, on the machine that you sit at: {tunnel}", file=sys.stderr, flush=True)


def _tunnel(address: str) -> str | None:
    """The line that brings a page of this machine alone to the other end of an SSH connection."""
    import getpass
    from urllib.parse import urlsplit

    link, here = os.environ.get("SSH_CONNECTION", "").split(), urlsplit(address)
    if len(link) != 4 or here.hostname != "127.0.0.1":
        return None
    return f"ssh -L {here.port}:127.0.0.1:{here.port} {getpass.getuser()}@{link[2]}"
