"""Keys for tests of signatures."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_key(folder: Path, name: str, number: bytes) -> Path:
    """Write a pair of keys without a password, as `minisign -G -W` does; return the secret one."""
    key = Ed25519PrivateKey.from_private_bytes(number * 4)
    public = key.public_key().public_bytes_raw()
    secret = b"Ed\0\0B2" + bytes(48) + number + number * 4 + public + bytes(32)
    path = folder / f"{name}.key"
    path.write_text(f"untrusted comment: secret\n{base64.b64encode(secret).decode()}\n")
    text = base64.b64encode(b"Ed" + number + public).decode()
    path.with_suffix(".pub").write_text(f"untrusted comment: public\n{text}\n")
    return path
