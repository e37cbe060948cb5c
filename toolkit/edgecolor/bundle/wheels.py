"""Wheels for another machine: our own two, and their dependencies, which pip downloads."""

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

from edgecolor.bundle.targets import BundleTarget
from edgecolor.support.child_process import run_program
from edgecolor.support.extras import find_source_checkout
from edgecolor_runtime.errors import EdgecolorError

OWN_DISTRIBUTIONS = ("edgecolor", "edgecolor-runtime")

MAX_ROUNDS = 10  # of downloads until no dependency is missing; four are usual
OLDEST_GLIBC = 5  # glibc 2.5: manylinux1
_WRITTEN_BY_INSTALLERS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def own_wheels(folder: Path) -> list[Path]:
    """Make both wheels of the running edgecolor: build them from its repository, or pack its installation."""
    repository = find_source_checkout()
    if repository is None:
        return [repack(distribution(name), folder) for name in OWN_DISTRIBUTIONS]
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    sources = (repository / "edge_runtime", repository)
    _pip("wheel", [*isolation, f"--wheel-dir={folder}", "--no-deps", *map(str, sources)])
    return sorted(folder.glob("edgecolor*.whl"))


def repack(installed: Distribution, folder: Path) -> Path:
    """Pack an installed pure-Python distribution as a wheel.

    Raises:
        EdgecolorError: the installation has no list of its files.
    """
    if installed.files is None:
        raise EdgecolorError(f"{installed.name} has no list of its files. Reinstall it with pip.")
    name = installed.name.replace("-", "_")
    path = folder / f"{name}-{installed.version}-py3-none-any.whl"
    record = f"{name}-{installed.version}.dist-info/RECORD"
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in sorted(installed.files):
            made_by_pip = ".." in file.parts or "__pycache__" in file.parts  # programs and byte code
            if made_by_pip or file.name in _WRITTEN_BY_INSTALLERS:
                continue
            data = file.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{file},sha256={digest},{len(data)}\n")
            wheel.writestr(zipfile.ZipInfo(str(file)), data, zipfile.ZIP_DEFLATED)
        wheel.writestr(zipfile.ZipInfo(record), "".join(lines) + f"{record},,\n", zipfile.ZIP_DEFLATED)
    return path


def fetch(own: Sequence[Path], folder: Path, target: BundleTarget, *, also: Sequence[str]) -> list[Path]:
    """Download all dependencies of our wheels on another machine into a folder.

    pip can download wheels for another machine, but evaluates the markers of dependencies for this machine.
    Therefore the dependencies are resolved here, and pip gets the complete list. The list is complete when
    the downloaded wheels need nothing that is not on it.

    Args:
        own: our wheels; they are not copied to the folder.
        folder: folder for the wheels; empty or missing.
        target: the other machine; what it gets as Debian packages is left out.
        also: requirements in addition to those of edgecolor.

    Returns:
        The wheels, sorted by name.

    Raises:
        EdgecolorError: pip has no wheel for a requirement, or cannot reach its index.
    """
    downloaded: set[str] = set()
    for _ in range(MAX_ROUNDS):
        required = _required([*own, *folder.glob("*.whl")], also, target)
        if required == downloaded:
            return sorted(folder.glob("*.whl"))
        downloaded = required
        shutil.rmtree(folder, ignore_errors=True)
        download(sorted(required), folder, target)
    raise EdgecolorError(
        f"pip chose other wheels in each of {MAX_ROUNDS} rounds. Pin a version with pip's constraints."
    )


def download(requirements: Sequence[str], folder: Path, target: BundleTarget) -> None:
    """Download wheels for another machine, without their dependencies."""
    _pip("download", ["--no-deps", *_tags(target), f"--dest={folder}", *requirements])


def _tags(target: BundleTarget) -> Iterator[str]:
    major, minor = target.python
    machine = target.machines[0]
    yield from ("--only-binary=:all:", "--implementation=cp", f"--python-version={target.python_version}")
    yield from (f"--abi={abi}" for abi in (f"cp{major}{minor}", "abi3", "none"))
    yield from (f"--platform=manylinux_2_{n}_{machine}" for n in range(OLDEST_GLIBC, target.glibc + 1))
    yield from (f"--platform={system}_{machine}" for system in ("manylinux2014", "linux"))


def _marker_variables(target: BundleTarget) -> dict[str, str]:
    """Return the variables of dependency markers there (packaging.python.org, "Dependency specifiers")."""
    version = target.python_version
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


def _required(wheels: Sequence[Path], also: Sequence[str], target: BundleTarget) -> set[str]:
    """Return all requirements of edgecolor, direct and indirect, that the wheels at hand state, for pip."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    dependencies = dict(map(_dependencies, wheels))
    variables = _marker_variables(target)
    requirements = set()
    seen = set()
    queue = [Requirement(word) for word in (OWN_DISTRIBUTIONS[0], *also)]
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras), str(requirement.specifier))
        if key in seen:
            continue
        seen.add(key)
        if name not in (*OWN_DISTRIBUTIONS, *target.debian_packages):
            requirements.add(f"{name}{requirement.specifier}")
        for dependency in map(Requirement, dependencies.get(name, ())):
            extras = ["", *requirement.extras]
            marker = dependency.marker
            if marker is None or any(marker.evaluate({**variables, "extra": extra}) for extra in extras):
                queue.append(dependency)
    return requirements


def _dependencies(wheel: Path) -> tuple[str, list[str]]:
    """Return a wheel's normalized name and its dependencies."""
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
