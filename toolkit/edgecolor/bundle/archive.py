"""The archive with everything that a device without a network needs: wheels, model, installer, service."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from edgecolor.bundle import debian, wheels
from edgecolor.bundle.targets import TARGETS
from edgecolor.support.minisign import signature_path, verify_signed
from edgecolor_runtime import __version__
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.models.shipped import SHIPPED, open_model

MODEL_FILE = "model.tflite"  # name in the bundle of a model that is not shipped
KEYS_FILE = "trusted.pub"  # name in the bundle of the keys whose signatures the device demands
DEVICE_FILES = ("install.sh", "edgecolor.service", "edgecolor.env")

_PRESENT_PACKAGES = ("python3", "libstdc++6", "mime-support", "python3-pkg-resources")
"""Dependencies of Debian's numpy and Pillow that every Debian has, or that they do not need here."""


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory.

    Attributes:
        data: bytes of the .tar.gz file.
        files: names of the files in it, sorted.
    """

    data: bytes
    files: list[str]


def make_bundle(
    model: str, target: str, print_progress: Callable[[str], None], *, trusted: Path | None = None
) -> Bundle:
    """Make a bundle. The same edgecolor, model and downloads give the same bytes.

    Args:
        model: name of a shipped model, or path of a model file, which becomes part of the bundle.
        target: name of the system, one of TARGETS.
        print_progress: called with a line of text at each step.
        trusted: file of public keys; the device then refuses model files that none of them signed.

    Raises:
        UsageError: there is no such target, or the file of keys cannot be read.
        ModelFileError: the model is not intact, or not signed with a trusted key.
        EdgecolorError: pip or apt failed.
    """
    if target not in TARGETS:
        raise UsageError(f"--target {target}: expected one of {', '.join(TARGETS)}")
    if trusted is not None:
        verify_signed(model, trusted, "bundle")
    open_model(model)  # raises if the model is not intact
    device_files = resources.files("edgecolor.bundle") / "device_files"
    contents = {name: (device_files / name).read_bytes() for name in DEVICE_FILES}
    if model not in SHIPPED:
        contents[MODEL_FILE] = Path(model).read_bytes()
        if trusted is not None:
            contents[signature_path(Path(MODEL_FILE)).name] = signature_path(Path(model)).read_bytes()
    if trusted is not None:
        contents[KEYS_FILE] = trusted.read_bytes()
    contents["bundle.conf"] = _settings(target, model if model in SHIPPED else MODEL_FILE)
    with tempfile.TemporaryDirectory() as folder:
        for path in _download(target, Path(folder), print_progress, signing=trusted is not None):
            contents[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    sums = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(contents.items()))
    contents["SHA256SUMS"] = "".join(sums).encode()
    return Bundle(_pack(f"edgecolor-{target}", contents), sorted(contents))


def _settings(target: str, model: str) -> bytes:
    """Return the settings that install.sh reads as shell variables."""
    system = TARGETS[target]
    return (
        f"VERSION={__version__}\nTARGET={target}\nPYTHON={system.python_version}\nBITS={system.bits}\n"
        f'MACHINES="{" ".join(system.machines)}"\nMODEL={model}\n'
    ).encode()


def _download(
    target: str, folder: Path, print_progress: Callable[[str], None], *, signing: bool
) -> list[Path]:
    """Fetch all packages; return their paths, each in a folder with the name that it has in the bundle."""
    system, extras = TARGETS[target], ["pip"]
    if signing:
        system = replace(system, debian_packages=system.debian_packages | system.signing_packages)
        extras += ["edgecolor[sign]"]
    (folder / "own").mkdir()
    print_progress("packing edgecolor")
    own = wheels.own_wheels(folder / "own")
    print_progress("fetching its dependencies with pip")
    fetched = wheels.fetch(own, folder / "wheels", system, also=[*extras, *system.constraints])
    files = [*fetched, *(path.rename(folder / "wheels" / path.name) for path in own)]
    if system.debian_packages:
        print_progress("fetching packages without wheels with apt")
        files += debian.fetch(
            target.partition("-")[0],
            system.architecture,
            list(system.debian_packages.values()),
            folder / "debs",
            without=_PRESENT_PACKAGES,
        )
    return files


def _pack(top: str, contents: dict[str, bytes]) -> bytes:
    """Return a .tar.gz of files in one folder, sorted by name, without times or owners."""
    buffer = io.BytesIO()
    # Level 1: nearly all files are compressed already.
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in sorted(contents.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(data)
            member.mode = 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
