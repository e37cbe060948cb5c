"""Download Debian packages for another architecture or release, with apt but without root rights."""

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
    """Download packages and all of their dependencies.

    Args:
        suite: name of the release: "bookworm", "trixie".
        architecture: Debian's name: "arm64", "armhf", "amd64".
        packages: names of the packages.
        folder: folder for the .deb files.
        without: packages that the other machine has; they and their dependencies are left out.

    Returns:
        The files, sorted by name.

    Raises:
        MissingError: this machine has no apt, or apt has no Debian mirror.
        EdgecolorError: apt failed.
    """
    with tempfile.TemporaryDirectory() as state:
        options = _private_options(Path(state), suite, architecture)
        _apt(*options, "update")
        install = (*options, "--yes", "--no-install-recommends", "install")
        # Each line is: 'address' name size hash.
        lines = _apt(*install, "--print-uris", *without).splitlines() if without else []
        left_out = {line.split()[1] for line in lines}
        _apt(*install, "--download-only", *packages)
        folder.mkdir(parents=True, exist_ok=True)
        archives = sorted(Path(state, "archives").glob("*.deb"))
        return [Path(shutil.copy(path, folder)) for path in archives if path.name not in left_out]


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpack packages into a folder, without running their scripts."""
    for package in packages:
        run_program(["dpkg-deb", "-x", package, root]).raise_failure(f"unpacking {package.name}")


def find_mirror() -> str:
    """Return the address of the Debian mirror in the configuration of this machine's apt.

    Raises:
        MissingError: this machine has no apt, or apt has no Debian mirror.
    """
    addresses = _apt("indextargets", "--format", "$(REPO_URI)").split()
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise MissingError("apt on this machine has no Debian mirror. Run this command on a Debian machine.")


def _private_options(state: Path, suite: str, architecture: str) -> list[str]:
    """Return options for an apt with lists of its own, no installed packages, and another architecture."""
    (state / "lists/partial").mkdir(parents=True)
    (state / "archives/partial").mkdir(parents=True)
    (state / "status").touch()
    signed = f" [signed-by={KEYRING}]" if KEYRING.exists() else ""
    (state / "sources.list").write_text(f"deb{signed} {find_mirror()} {suite} main\n", "utf-8")
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Sandbox::User": "root",  # apt's own user cannot read the private folder
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
        raise MissingError("apt-get is not installed. Run this command on a Debian machine.")
    result = run_program(["apt-get", "-qq", *words])
    result.raise_failure("apt-get")
    return result.stdout
