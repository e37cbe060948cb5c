"""Sign and verify files in the format of minisign, https://jedisct1.github.io/minisign/.

The signature of model.tflite is the text file model.tflite.minisig beside it. It holds the number of the key,
an Ed25519 signature of the file's BLAKE2b hash, a comment, and a signature of the first signature together
with the comment. `minisign -S` and `minisign -V` write and verify the same files; `minisign -G` makes keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecolor.support.extras import need_module
from edgecolor_runtime.errors import EdgecolorError, ModelFileError, UsageError
from edgecolor_runtime.models.model_file import MAX_FILE_BYTES
from edgecolor_runtime.models.shipped import SHIPPED
from edgecolor_runtime.system import files

MAX_TEXT_BYTES = 1 << 16  # of a signature, and of a file of keys
MAX_SCRYPT_COST = 1 << 20  # a key is derived from its password in this number of KiB

_UNTRUSTED = "untrusted comment:"
_TRUSTED = "trusted comment: "
_PUBLIC_KEY_BYTES = 2 + 8 + 32  # algorithm, number, key
_SIGNATURE_BYTES = 2 + 8 + 64  # algorithm, number, signature
_SECRET_KEY_BYTES = 158
_SALT = slice(6, 38)
_SECRET = slice(54, 158)  # number, seed, public key, checksum; behind a password an XOR of them
_SCRYPT_BLOCK = 8


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies.

    Attributes:
        number: 8 bytes; tells keys apart.
        key: 32 bytes.
    """

    number: bytes
    key: bytes


@dataclass(frozen=True)
class SigningKey:
    """A key that signs.

    Attributes:
        number: 8 bytes; tells keys apart.
        seed: 32 bytes, secret.
    """

    number: bytes
    seed: bytes


@dataclass(frozen=True)
class Signer:
    """Who signed a file.

    Attributes:
        key: number of the key, as minisign prints it.
        comment: what the signer wrote into the signature; it is signed, too.
    """

    key: str
    comment: str


class _BrokenError(ValueError):
    """A text is not in the format of minisign."""


def signature_path(path: Path) -> Path:
    """Return the path of the signature of a file."""
    return path.with_name(f"{path.name}.minisig")


def read_public_keys(path: Path) -> tuple[PublicKey, ...]:
    """Read the public keys of a file: one .pub file of minisign, or several in one file.

    Raises:
        UsageError: the file cannot be read, or has a line that is neither a key nor a comment.
    """
    try:
        lines = [line for line in _read_lines(path) if line and not line.startswith(_UNTRUSTED)]
        data = [_decode(line, _PUBLIC_KEY_BYTES, b"Ed") for line in lines]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}. Name a file of public keys.") from error
    except ValueError as error:
        raise UsageError(
            f"{path}: not a file of public keys ({error}). `minisign -G` makes keys: name its .pub file."
        ) from error
    if not data:
        raise UsageError(f"{path}: holds no public key. Name a .pub file of minisign.")
    return tuple(PublicKey(key[2:10], key[10:]) for key in data)


def read_signing_key(path: Path, ask_password: Callable[[], str]) -> SigningKey:
    """Read a secret key of minisign.

    Args:
        path: the file.
        ask_password: returns the password; called only if the key has one.

    Raises:
        UsageError: the file cannot be read, is not a secret key, or the password is wrong.
        MissingError: the package cryptography is not installed.
    """
    need_module("export --sign", "cryptography", extra="sign")
    try:
        data = _decode(_read_lines(path)[1], _SECRET_KEY_BYTES, b"Ed")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}. Make a key with: minisign -G -s {path} -p {path}.pub"
        ) from error
    except (ValueError, IndexError) as error:
        raise UsageError(f"{path}: not a secret key of minisign. `minisign -G` makes one.") from error
    secret = data[_SECRET]
    has_password = data[2:4] != b"\0\0"
    if has_password:
        mask = _derive(ask_password(), data, path)
        secret = bytes(a ^ b for a, b in zip(secret, mask, strict=True))
    number, seed, public, checksum = secret[:8], secret[8:40], secret[40:72], secret[72:]
    expected = hashlib.blake2b(data[:2] + number + seed + public, digest_size=32).digest()
    if has_password and checksum != expected:
        raise UsageError(f"{path}: wrong password.")
    if _public_key(seed) != public:
        raise UsageError(f"{path}: a damaged secret key.")
    return SigningKey(number, seed)


def write_signature(path: Path, key: SigningKey) -> Path:
    """Sign a file. An existing signature is replaced; return the path of the signature.

    Raises:
        EdgecolorError: the file cannot be read, or the signature cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        digest = hashlib.blake2b(path.read_bytes()).digest()
    except OSError as error:
        raise EdgecolorError(f"{path}: {error.strerror or error}") from error
    signing_key = Ed25519PrivateKey.from_private_bytes(key.seed)
    signature = signing_key.sign(digest)
    comment = f"timestamp:{int(time.time())}\tfile:{path.name}\thashed"
    whole = signing_key.sign(signature + comment.encode())
    lines = (
        f"{_UNTRUSTED} signature from minisign secret key",
        base64.b64encode(b"ED" + key.number + signature).decode(),
        f"{_TRUSTED}{comment}",
        base64.b64encode(whole).decode(),
    )
    files.write_bytes(signature_path(path), "".join(f"{line}\n" for line in lines).encode(), force=True)
    return signature_path(path)


def verify_signed(model: str, keys: Path, command: str) -> Signer | None:
    """Verify that a model file is signed with one of the trusted keys.

    Args:
        model: name of a shipped model, or path of a model file.
        keys: file of public keys.
        command: the command that demands the signature, for messages.

    Returns:
        Who signed it; None for a shipped model, which is pinned by its hash and needs no signature.

    Raises:
        ModelFileError: the file has no signature, or one of another key, or one of other bytes.
        UsageError: the file of keys cannot be read.
        MissingError: the package cryptography is not installed.
    """
    trusted = read_public_keys(keys)
    if model in SHIPPED:
        return None
    need_module(f"{command} --trusted", "cryptography", extra="sign")
    path = Path(model)
    data = _read_signed(path)
    signature = signature_path(path)
    try:
        return _verify(data, _read_lines(signature), trusted)
    except FileNotFoundError:
        raise ModelFileError(
            f"{path}: not signed: there is no {signature}. Fetch it from where the model comes from; "
            f"for a model of yours, make it with: minisign -Sm {path}"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{signature}: {error.strerror or error}") from error
    except _UnknownKeyError as error:
        raise ModelFileError(f"{path}: signed with the key {error}, which {keys} does not have.") from None
    except _BrokenError as error:
        raise ModelFileError(f"{signature}: {error}. Fetch the model and its signature again.") from None


class _UnknownKeyError(ValueError):
    """A signature is of a key that is not trusted; the message is its number."""


def _read_signed(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(f"{path}: too large for an edgecolor model")
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}") from error


def _verify(data: bytes, lines: Sequence[str], keys: Sequence[PublicKey]) -> Signer:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(lines) < 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise _BrokenError("not a signature of minisign")
    decoded = _decode(lines[1], _SIGNATURE_BYTES, b"ED")
    whole, comment = _decode(lines[3], 64), lines[2].removeprefix(_TRUSTED)
    number, signature = decoded[2:10], decoded[10:]
    candidates = [Ed25519PublicKey.from_public_bytes(key.key) for key in keys if key.number == number]
    if not candidates:
        raise _UnknownKeyError(_key_name(number))
    digest = hashlib.blake2b(data).digest()
    for key in candidates:
        try:
            key.verify(signature, digest)
            key.verify(whole, signature + comment.encode())
        except InvalidSignature:
            continue
        return Signer(_key_name(number), comment)
    raise _BrokenError(f"the file or its signature was changed after the key {_key_name(number)} signed it")


def _read_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise _BrokenError("too long for a key or a signature of minisign")
    try:
        return data.decode().replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise _BrokenError("not a text of minisign") from None


def _decode(line: str, length: int, algorithm: bytes = b"") -> bytes:
    try:
        data = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise _BrokenError("not Base64") from None
    if len(data) != length or not data.startswith(algorithm):
        raise _BrokenError("not of the kind that minisign writes since version 0.10")
    return data


def _key_name(number: bytes) -> str:
    return f"{int.from_bytes(number, 'little'):016X}"


def _public_key(seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _derive(password: str, data: bytes, path: Path) -> bytes:
    """Return the mask of a secret key, as libsodium's crypto_pwhash_scryptsalsa208sha256 derives it."""
    operations, memory = (int.from_bytes(data[at : at + 8], "little") for at in (38, 46))
    cost = memory // (_SCRYPT_BLOCK * 128)
    is_minisigns = data[2:4] == b"Sc" and operations == memory // 32  # what libsodium turns into p = 1
    if not is_minisigns or not 2 <= cost <= MAX_SCRYPT_COST or cost & (cost - 1):
        raise UsageError(f"{path}: its password is protected in a way that minisign does not use.")
    return hashlib.scrypt(
        password.encode(),
        salt=data[_SALT],
        n=cost,
        r=_SCRYPT_BLOCK,
        p=1,
        maxmem=2**31 - 2,
        dklen=_SECRET.stop - _SECRET.start,
    )
