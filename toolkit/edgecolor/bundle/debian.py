"""Debian packages for another architecture or release, through this machine's apt, without root rights."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgecolor.support.child_process import run_program
from edgecolor_runtime.errors import MissingError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def fetch(
    suite: str, architecture: str, packages: Sequence[str], folder: Path, *, without: Sequence[str] = ()
) -> list[Path]:
    """Download packages and everything that they depend on.

    Args:
        suite: "bookworm", "trixie".
        architecture: Debian's word: "arm64", "armhf", "amd64".
        packages: their names.
        folder: where the .deb files go.
        without: packages that the other machine has; they and what they depend on are left out.

    Returns:
        The files, by name.

    Raises:
        MissingError: this machine has no apt, or its apt knows no Debian mirror.
        EdgecolorError: apt failed.
    """
    with tempfile.TemporaryDirectory() as state:
        options = _private(Path(state), suite, architecture)
        _apt(*options, "update")
        install = (*options, "--yes", "--no-install-recommends", "install")
        # Lines of 'address' name size hash.
        listed = _apt(*install, "--print-uris", *without).splitlines() if without else []
        there = {line.split()[1] for line in listed}
        _apt(*install, "--download-only", *packages)
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(Path(state, "archives").glob("*.deb"))
        return [Path(shutil.copy(path, folder)) for path in found if path.name not in there]


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpack packages into a folder; no script of theirs runs."""
    for package in packages:
        run_program(["dpkg-deb", "-x", package, root]).raise_failure(f"unpacking {package.name}")


def mirror() -> str:
    """The address of the Debian mirror that this machine's apt is configured with.

    Raises:
        MissingError: there is no apt here, or no Debian mirror.
    """
    addresses = _apt("indextargets", "--format", "$(REPO_URI)").split()
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise MissingError("apt here knows no Debian mirror; do this on a Debian machine")


def _private(state: Path, suite: str, architecture: str) -> list[str]:
    """Options for an apt with its own lists, nothing installed, and another architecture."""
    (state / "lists/partial").mkdir(parents=True)
    (state / "archives/partial").mkdir(parents=True)
    (state / "status").touch()
    signed = f" [signed-by={KEYRING}]" if KEYRING.exists() else ""
    (state / "sources.list").write_text(f"deb{signed} {mirror()} {suite} main\n", "utf-8")
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Sandbox::User": "root",  # the folder is private
        "Acquire::Languages": "none",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _apt(*words: str) -> str:
    if shutil.which("apt-get") is None:
        raise MissingError("this needs apt: do it on a Debian machine")
    result = run_program(["apt-get", "-qq", *words])
    result.raise_failure("apt-get")
    return result.stdout
