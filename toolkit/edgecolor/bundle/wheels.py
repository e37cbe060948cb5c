"""Wheels for another machine: our own two, and through pip what they need there."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import edgecolor
from edgecolor.bundle.targets import Target
from edgecolor.support.child_process import run_program
from edgecolor_runtime.errors import EdgecolorError

OURS = ("edgecolor", "edgecolor-runtime")

_ROUNDS = 10  # of asking what the wheels just fetched need; four are usual
_OLDEST_GLIBC = 5  # 2.5: manylinux1
_LEFT_BY_INSTALLERS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def own_wheels(folder: Path) -> list[Path]:
    """Both wheels of edgecolor as it runs now: built from its repository, or packed from its installation."""
    repository = Path(edgecolor.__file__).resolve().parents[2]
    if not (repository / "edge_runtime/pyproject.toml").is_file():
        return [repack(distribution(name), folder) for name in OURS]
    ready = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    sources = (repository / "edge_runtime", repository)
    _pip("wheel", [*ready, f"--wheel-dir={folder}", "--no-deps", *map(str, sources)])
    return sorted(folder.glob("edgecolor*.whl"))


def repack(installed: Distribution, folder: Path) -> Path:
    """Turn an installed pure-Python distribution into a wheel again.

    Raises:
        EdgecolorError: its installer did not record its files.
    """
    if installed.files is None:
        raise EdgecolorError(f"{installed.name} was installed without a list of its files; reinstall it")
    name = installed.name.replace("-", "_")
    path = folder / f"{name}-{installed.version}-py3-none-any.whl"
    record = f"{name}-{installed.version}.dist-info/RECORD"
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in sorted(installed.files):
            made = ".." in file.parts or "__pycache__" in file.parts  # programs and byte code: pip makes them
            if made or file.name in _LEFT_BY_INSTALLERS:
                continue
            data = file.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{file},sha256={digest},{len(data)}\n")
            wheel.writestr(zipfile.ZipInfo(str(file)), data, zipfile.ZIP_DEFLATED)
        wheel.writestr(zipfile.ZipInfo(record), "".join(lines) + f"{record},,\n", zipfile.ZIP_DEFLATED)
    return path


def fetch(ours: Sequence[Path], folder: Path, target: Target, *, also: Sequence[str]) -> list[Path]:
    """Download what our wheels need on another machine, and what that needs, into a folder.

    pip takes wheels for another machine, but reads the markers of dependencies as for this one. So they are
    read here, and pip gets one whole list; when the wheels need nothing that is not on it, it is complete.

    Args:
        ours: our wheels; the folder does not get them.
        folder: where the others go; it must be empty or missing.
        target: the other machine; what it gets as Debian packages is left out.
        also: requirements beside those of edgecolor.

    Returns:
        The wheels, by name.

    Raises:
        EdgecolorError: pip found no wheel for something, or cannot reach its index.
    """
    asked: set[str] = set()
    for _ in range(_ROUNDS):
        wanted = _required([*ours, *folder.glob("*.whl")], also, target)
        if wanted == asked:
            return sorted(folder.glob("*.whl"))
        asked = wanted
        shutil.rmtree(folder, ignore_errors=True)
        download(sorted(asked), folder, target)
    raise EdgecolorError("pip's choice of wheels does not settle; name a version in pip's constraints")


def download(requirements: Sequence[str], folder: Path, target: Target) -> None:
    """Download wheels for another machine, without what they depend on."""
    _pip("download", ["--no-deps", *_tags(target), f"--dest={folder}", *requirements])


def _tags(target: Target) -> Iterator[str]:
    major, minor = target.python
    machine = target.machines[0]
    yield from ("--only-binary=:all:", "--implementation=cp", f"--python-version={target.version}")
    yield from (f"--abi={abi}" for abi in (f"cp{major}{minor}", "abi3", "none"))
    yield from (f"--platform=manylinux_2_{n}_{machine}" for n in range(_OLDEST_GLIBC, target.glibc + 1))
    yield from (f"--platform={system}_{machine}" for system in ("manylinux2014", "linux"))


def _environment(target: Target) -> dict[str, str]:
    """What dependency markers see there (https://packaging.python.org, dependency specifiers)."""
    version = target.version
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": target.machines[0],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }


def _required(wheels: Sequence[Path], also: Sequence[str], target: Target) -> set[str]:
    """All that edgecolor asks for, as far as the wheels at hand say, as words for pip."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    needs = dict(map(_needs, wheels))
    marker = _environment(target)
    words = set()
    seen = set()
    queue = [Requirement(word) for word in (OURS[0], *also)]
    while queue:
        this = queue.pop()
        name = canonicalize_name(this.name)
        if (key := (name, frozenset(this.extras), str(this.specifier))) in seen:
            continue
        seen.add(key)
        if name not in (*OURS, *target.debs):
            words.add(f"{name}{this.specifier}")
        for need in map(Requirement, needs.get(name, ())):
            extras = ["", *this.extras]
            if need.marker is None or any(need.marker.evaluate({**marker, "extra": e}) for e in extras):
                queue.append(need)
    return words


def _needs(wheel: Path) -> tuple[str, list[str]]:
    """A wheel's normalized name and its dependencies."""
    from packaging.utils import canonicalize_name

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
        metadata = Parser().parsestr(archive.read(name).decode())
    return canonicalize_name(metadata["Name"]), metadata.get_all("Requires-Dist", [])


def _pip(task: str, options: Iterable[str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", task, *options]
    result = run_program(command)
    if result.code:
        lines = [line.strip() for line in result.stderr.splitlines() if "error" in line.lower()]
        raise EdgecolorError(f"pip {task} failed: {lines[-1] if lines else result.reason}")
