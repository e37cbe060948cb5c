"""Signatures of model files: what commands refuse, and files that the program minisign reads and writes."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecolor.cli import main
from edgecolor.support.minisign import read_signing_key, signature_path, write_signature
from edgecolor.tflite import trial
from edgecolor_runtime.errors import UsageError

from ..signing_keys import make_key

TINY = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"

needs_minisign = pytest.mark.skipif(not shutil.which("minisign"), reason="minisign is not installed")


def no_password() -> str:
    raise AssertionError("the key has no password")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path, "workshop", b"workshop")


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Path:
    model = tmp_path / "mine.tflite"
    model.write_bytes(TINY.read_bytes())
    write_signature(model, read_signing_key(key, no_password))
    return model


def test_a_signed_file_passes(signed: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = key.with_suffix(".pub")
    assert main(["check", str(signed), "--trusted", str(keys)]) == 0
    assert f"by the key {'workshop'[::-1].encode().hex().upper()} in {keys}" in capsys.readouterr().out
    assert main(["check", str(signed), "--trusted", str(keys), "--json"]) == 0
    signature = json.loads(capsys.readouterr().out)["signature"]
    assert "file:mine.tflite" in signature["comment"]
    assert main(["check", "s", "--trusted", str(keys)]) == 0
    assert "none needed: a shipped model" in capsys.readouterr().out


def test_one_of_several_keys_is_enough(tmp_path: Path, signed: Path, key: Path) -> None:
    both = tmp_path / "both.pub"
    other = make_key(tmp_path, "other", b"another!").with_suffix(".pub")
    both.write_text(other.read_text() + key.with_suffix(".pub").read_text().replace("\n", "\r\n"))
    assert main(["check", str(signed), "--trusted", str(both)]) == 0


def edit_line(number: int, change: Callable[[bytearray], object]) -> Callable[[Path], None]:
    """Return a change of the bytes that a line of the signature holds."""

    def edit(model: Path) -> None:
        path = signature_path(model)
        lines = path.read_text().split("\n")
        data = bytearray(base64.b64decode(lines[number]))
        change(data)
        lines[number] = base64.b64encode(data).decode()
        path.write_text("\n".join(lines))

    return edit


def write(text: bytes) -> Callable[[Path], None]:
    return lambda model: void(signature_path(model).write_bytes(text))


def void(_: object) -> None:
    return None


def flip(position: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[position] ^= 1

    return change


def change_model(model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[5000] ^= 1
    model.write_bytes(data)


def make_folder(model: Path) -> None:
    signature_path(model).unlink()
    signature_path(model).mkdir()


def change_comment(model: Path) -> None:
    path = signature_path(model)
    path.write_text(path.read_text().replace("file:mine", "file:best"))


def sign_with_another(model: Path) -> None:
    other = make_key(model.parent, "other", b"another!")
    write_signature(model, read_signing_key(other, no_password))


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "unsigned": (lambda model: signature_path(model).unlink(), "not signed: there is no"),
    "another key": (sign_with_another, "signed with the key 2172656874"),
    "a changed model": (change_model, "was changed after the key"),
    "a changed signature": (edit_line(1, flip(30)), "was changed after the key"),
    "another number of a key": (edit_line(1, flip(2)), "does not have"),
    "a changed second signature": (edit_line(3, flip(0)), "was changed after the key"),
    "a changed comment": (change_comment, "was changed after the key"),
    "an old kind": (edit_line(1, lambda data: data.__setitem__(1, ord("d"))), "since version 0.10"),
    "a short signature": (edit_line(1, lambda data: data.pop()), "since version 0.10"),
    "empty": (write(b""), "not a signature of minisign"),
    "no text": (write(b"\xff\xfe\n" * 9), "not a text of minisign"),
    "no Base64": (
        write(b"untrusted comment: \n\x1b[2J!!\ntrusted comment: x\nAAAA\n"),
        "not Base64",
    ),
    "huge": (write(b"untrusted comment: x\n" * 100_000), "too long"),
    "a folder": (
        make_folder,
        "Is a directory",
    ),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(("change", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_proved_is_refused_before_an_interpreter_sees_it(
    command: str,
    change: Callable[[Path], None],
    why: str,
    signed: Path,
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(trial, "run_program", lambda *words, **limits: pytest.fail("the file was tried"))
    change(signed)
    words = ["check", str(signed)] if command == "check" else ["run", "--model", str(signed), "x.jpg"]
    assert main([*words, "--trusted", str(key.with_suffix(".pub"))]) == 5
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and why in err and str(signed) in err and "\x1b" not in err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file or directory. Name a file of public keys."),
        ("", "holds no public key"),
        ("untrusted comment: nothing\n", "holds no public key"),
        ("ssh-ed25519 AAAA me\n", "not a file of public keys (not Base64)"),
        ("RWQAAEIyAAAA\n", "not a file of public keys (not of the kind"),
        ("x" * 100_000, "too long"),
    ],
)
def test_a_file_without_keys_is_wrong_usage(
    tmp_path: Path, signed: Path, capsys: pytest.CaptureFixture[str], text: str | None, why: str
) -> None:
    keys = tmp_path / "keys"
    if text is not None:
        keys.write_text(text)
    assert main(["check", str(signed), "--trusted", str(keys)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"edgecolor: {keys}: ") and why in error and error.count("\n") == 1


def test_the_missing_package_is_named(
    signed: Path, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = sys.modules["importlib.util"].find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "cryptography" else find_spec(name)
    )
    assert main(["check", str(signed), "--trusted", str(key.with_suffix(".pub"))]) == 4
    error = capsys.readouterr().err
    assert "`edgecolor check --trusted` needs cryptography. Install it with: " in error and "sign" in error


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "Make a key with: minisign -G -s "),
        ("untrusted comment: x\n", "not a secret key"),
        ("untrusted comment: x\nRWQAAEIyAAAA\n", "not a secret key"),
    ],
)
def test_export_needs_the_key_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, why: str
) -> None:
    network, key = tmp_path / "n.keras", tmp_path / "key"
    network.write_bytes(b"PK")
    if text is not None:
        key.write_text(text)
    assert main(["export", str(network), "--calibration", str(tmp_path), "--sign", str(key)]) == 2
    error = capsys.readouterr().err
    assert why in error and error.count("\n") == 1


def test_export_does_not_replace_a_signature(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, signature = tmp_path / "n.keras", tmp_path / "n_int8.tflite.minisig"
    network.write_bytes(b"PK")
    signature.write_text("mine")
    assert main(["export", str(network), "--calibration", str(tmp_path), "--sign", str(key)]) == 2
    assert (
        "n_int8.tflite.minisig: exists already" in capsys.readouterr().err and signature.read_text() == "mine"
    )


def test_without_a_terminal_a_password_cannot_be_typed(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(base64.b64decode(key.read_text().split("\n")[1]))
    data[2:4] = b"Sc"
    key.write_text(f"untrusted comment: x\n{base64.b64encode(data).decode()}\n")
    network = tmp_path / "n.keras"
    network.write_bytes(b"PK")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["export", str(network), "--calibration", str(tmp_path), "--sign", str(key)]) == 2
    error = capsys.readouterr().err
    assert error.endswith(f"minisign -S -s {key} -m {tmp_path}/n_int8.tflite\n") and error.count("\n") == 1


@needs_minisign
def test_minisign_verifies_our_signature(signed: Path, key: Path) -> None:
    command = ["minisign", "-Vm", str(signed), "-p", str(key.with_suffix(".pub"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Signature and comment signature verified" in done.stdout


@needs_minisign
@pytest.mark.parametrize(
    "words",
    [["-W"], pytest.param([], marks=pytest.mark.slow)],  # a key is derived from a password in seconds
    ids=["no password", "password"],
)
def test_keys_and_signatures_of_minisign(tmp_path: Path, signed: Path, words: list[str]) -> None:
    secret, public = tmp_path / "m.key", tmp_path / "m.pub"
    command = ["minisign", "-G", *words, "-s", str(secret), "-p", str(public)]
    subprocess.run(command, input="hello\nhello\n", capture_output=True, text=True, check=True)
    command = ["minisign", "-S", "-s", str(secret), "-m", str(signed)]
    subprocess.run(command, input="hello\n", capture_output=True, text=True, check=True)
    assert main(["check", str(signed), "--trusted", str(public)]) == 0
    write_signature(signed, read_signing_key(secret, lambda: "hello"))
    subprocess.run(["minisign", "-Vm", signed, "-p", public], check=True, capture_output=True)
    assert main(["check", str(signed), "--trusted", str(public)]) == 0
    if not words:
        with pytest.raises(UsageError, match="wrong password"):
            read_signing_key(secret, lambda: "hallo")
