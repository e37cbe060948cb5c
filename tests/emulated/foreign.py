"""Debian systems of another processor whose Python runs here, without root rights, chroot or binfmt.

In such a system usr/bin/python3 is a script of the host that starts QEMU under the name by which the script
was called. Virtual environments therefore work as on the device: their bin/python links to the script, QEMU
passes the name of the link on, and Python finds the environment by this name.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgecolor.bundle import debian
from edgecolor.bundle.targets import BundleTarget
from edgecolor.support.child_process import run_program
from edgecolor_runtime.errors import EdgecolorError

EMULATORS = {"arm64": "qemu-aarch64", "armhf": "qemu-arm"}
"""Debian's name of an architecture -> the program that emulates it."""

MERGED = ("bin", "lib", "sbin")  # links since Debian's /usr merge


def fetch_qemu(folder: Path) -> Path:
    """Download and unpack QEMU 10 for this machine; ai-edge-litert crashes under bookworm's QEMU 7.2.

    Returns:
        The folder with QEMU's programs.
    """
    result = run_program(["dpkg", "--print-architecture"])
    result.raise_failure("dpkg")
    packages = debian.fetch("trixie", result.stdout.strip(), ["qemu-user"], folder / "packages")
    debian.unpack([path for path in packages if path.name.startswith("qemu-user_")], folder)
    return folder / "usr/bin"


class ForeignRoot:
    """An unpacked Debian with Python, and a way to run host scripts that call its `python3`."""

    def __init__(
        self,
        folder: Path,
        suite: str,
        target: BundleTarget,
        *,
        packages: Sequence[str],
        qemu: Path,
        processor: str,
    ) -> None:
        """Download and unpack the system; this takes seconds.

        Args:
            folder: root of the system; it must not exist.
            suite: name of the Debian release.
            target: architecture and Python version.
            packages: Debian packages in addition to Python.
            qemu: folder from `fetch_qemu`.
            processor: QEMU's name of the processor, such as "cortex-a72".
        """
        names = ["python3", "libstdc++6", *packages]
        for name in MERGED:
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
        archives = debian.fetch(suite, target.architecture, names, folder.with_suffix(".debs"))
        for archive in archives:
            _unpack(archive, folder)
        for library in folder.glob(
            "usr/lib/*/*/lib[bl]*.so.3"
        ):  # the links that Debian's alternatives would make
            if library.parent.name in ("blas", "lapack"):
                (library.parents[1] / library.name).symlink_to(f"{library.parent.name}/{library.name}")
        python = folder / "usr/bin/python3"
        real = python.with_name(f"python{target.python_version}")
        python.unlink()
        emulator = qemu / EMULATORS[target.architecture]
        _script(
            python,
            f'{emulator} -cpu {processor} -0 "$0" -L {folder} {real} "$@" || exit',
            # pip inspects the file of sys.executable to choose wheels. Inside, the file of a virtual
            # environment is therefore the real one: QEMU looks for a file in the root first.
            '[ "$1 $2" = "-m venv" ] || exit 0',
            "for made; do :; done",
            f'mkdir -p "{folder}$made/bin" && ln -sf {real} "{folder}$made/bin/python"',
        )
        # Only python3 of the root comes before the programs of the host.
        self._path = folder.with_suffix(".path")
        self._path.mkdir()
        _script(self._path / "python3", f'exec {python} "$@"')

    def run(self, *words: str | Path) -> str:
        """Run a program of the host, or of a virtual environment of the root's Python.

        Returns:
            The text that the program printed.

        Raises:
            EdgecolorError: the program failed.
        """
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        env = {**kept, "PATH": f"{self._path}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            raise EdgecolorError(f"{words[0]} ended with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack with tar, which keeps the links of the /usr merge; dpkg-deb -x replaces them with folders."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as contents:
        tar = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", f"--directory={folder}"]
        subprocess.run(tar, stdin=contents.stdout, check=True)


def _script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), "utf-8")
    path.chmod(0o755)
