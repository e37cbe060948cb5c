"""Debian roots of another processor whose Python runs here, without root rights, chroot or binfmt.

In such a root usr/bin/python3 is a script of the host that starts QEMU, under the name that the script was
called by. So a virtual environment made with it works as on the device: its bin/python links to that script,
and QEMU passes the link's name on, by which Python finds the environment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgecolor.bundle import debian
from edgecolor.bundle.targets import Target
from edgecolor_runtime.errors import EdgecolorError

EMULATORS = {"arm64": "qemu-aarch64", "armhf": "qemu-arm"}
"""Debian's word for an architecture -> the program that emulates it."""

MERGED = ("bin", "lib", "sbin")  # what Debian's /usr merge made links of


def fetch_qemu(folder: Path) -> Path:
    """QEMU 10 for this machine, unpacked; ai-edge-litert crashes under bookworm's QEMU 7.2.

    Returns:
        Its folder of programs.
    """
    here = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    packages = debian.fetch("trixie", here.stdout.strip(), ["qemu-user"], folder / "packages")
    debian.unpack([path for path in packages if path.name.startswith("qemu-user_")], folder)
    return folder / "usr/bin"


class Root:
    """An unpacked Debian with Python, and a way to run host scripts that call its `python3`."""

    def __init__(
        self,
        folder: Path,
        suite: str,
        target: Target,
        packages: Sequence[str],
        *,
        qemu: Path,
        processor: str,
    ) -> None:
        """Download and unpack: seconds.

        Args:
            folder: becomes the root; must not exist.
            suite: the Debian release.
            target: its architecture and Python.
            packages: Debian packages beside Python.
            qemu: from `fetch_qemu`.
            processor: one that QEMU knows: "cortex-a72".
        """
        names = ["python3", "libstdc++6", *packages]
        for name in MERGED:
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
        archives = debian.fetch(suite, target.architecture, names, folder.with_suffix(".debs"))
        for archive in archives:
            _unpack(archive, folder)
        for library in folder.glob("usr/lib/*/*/lib[bl]*.so.3"):  # as Debian's alternatives would link them
            if library.parent.name in ("blas", "lapack"):
                (library.parents[1] / library.name).symlink_to(f"{library.parent.name}/{library.name}")
        python = folder / "usr/bin/python3"
        real = python.with_name(f"python{target.version}")
        python.unlink()
        emulator = qemu / EMULATORS[target.architecture]
        _script(
            python,
            f'{emulator} -cpu {processor} -0 "$0" -L {folder} {real} "$@" || exit',
            # pip reads in the file that sys.executable names which wheels fit. To programs inside, that of a
            # virtual environment is thus the real one: QEMU looks for a file in the root first.
            '[ "$1 $2" = "-m venv" ] || exit 0',
            "for made; do :; done",
            f'mkdir -p "{folder}$made/bin" && ln -sf {real} "{folder}$made/bin/python"',
        )
        # The other programs of the root must not come before those of the host.
        self._path = folder.with_suffix(".path")
        self._path.mkdir()
        _script(self._path / "python3", f'exec {python} "$@"')

    def run(self, *words: str | Path) -> str:
        """Run a program of the host, or of a virtual environment of the root's Python.

        Returns:
            What it printed.

        Raises:
            EdgecolorError: it failed.
        """
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        env = {**kept, "PATH": f"{self._path}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            raise EdgecolorError(f"{words[0]} ended with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout


def _unpack(archive: Path, folder: Path) -> None:
    """Through tar, which keeps the links of the /usr merge; dpkg-deb -x puts folders in their place."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as contents:
        tar = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", f"--directory={folder}"]
        subprocess.run(tar, stdin=contents.stdout, check=True)


def _script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), "utf-8")
    path.chmod(0o755)
