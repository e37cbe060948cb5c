"""Everything that a device without a network needs, in one archive: wheels, model, installer, service."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edgecolor.bundle import debian, wheels
from edgecolor.bundle.targets import TARGETS, Target
from edgecolor_runtime import __version__
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.models.shipped import SHIPPED, open_model

CARRIED = "model.tflite"  # what a model that is not shipped is called in the bundle
DEVICE_FILES = ("install.sh", "edgecolor.service", "edgecolor.env")


_THERE = ("python3", "libstdc++6", "mime-support", "python3-pkg-resources")
"""What every Debian has of what numpy and Pillow depend on, or they do without."""


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory: the archive's bytes, and its files' names."""

    data: bytes
    files: list[str]


def make_bundle(name: str, model: str, say: Callable[[str], None]) -> Bundle:
    """Collect a bundle. The same edgecolor, model and downloads give the same bytes.

    Args:
        name: of the target.
        model: a shipped model's name, or a model file, which goes into the bundle.
        say: told what happens.

    Raises:
        UsageError: there is no such target.
        ModelFileError: the model is not intact.
        EdgecolorError: pip or apt failed.
    """
    if name not in TARGETS:
        raise UsageError(f"--target {name}: expected one of {', '.join(TARGETS)}")
    target = TARGETS[name]
    open_model(model)  # it is intact
    contents = {
        file: (resources.files("edgecolor.bundle") / "device_files" / file).read_bytes()
        for file in DEVICE_FILES
    }
    if model not in SHIPPED:
        contents[CARRIED] = Path(model).read_bytes()
    contents["bundle.conf"] = _settings(name, target, model if model in SHIPPED else CARRIED)
    with tempfile.TemporaryDirectory() as folder:
        for path in _downloads(name, target, Path(folder), say):
            contents[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    sums = (f"{hashlib.sha256(data).hexdigest()}  {file}\n" for file, data in sorted(contents.items()))
    contents["SHA256SUMS"] = "".join(sums).encode()
    return Bundle(_archive(f"edgecolor-{name}", contents), sorted(contents))


def _settings(name: str, target: Target, model: str) -> bytes:
    """What install.sh reads as shell variables."""
    return (
        f"VERSION={__version__}\nTARGET={name}\nPYTHON={target.version}\nBITS={target.bits}\n"
        f'MACHINES="{" ".join(target.machines)}"\nMODEL={model}\n'
    ).encode()


def _downloads(name: str, target: Target, folder: Path, say: Callable[[str], None]) -> list[Path]:
    (folder / "own").mkdir()
    say("packing edgecolor")
    ours = wheels.own_wheels(folder / "own")
    say("fetching what it needs, through pip")
    found = wheels.fetch(ours, folder / "wheels", target, also=["pip", *target.also])
    found += [path.rename(folder / "wheels" / path.name) for path in ours]
    if target.debs:
        say("fetching what has no wheels, through apt")
        suite = name.partition("-")[0]
        packages = list(target.debs.values())
        found += debian.fetch(suite, target.architecture, packages, folder / "debs", without=_THERE)
    return found


def _archive(top: str, contents: dict[str, bytes]) -> bytes:
    """A .tar.gz of files in one folder, in the order of their names, without times or owners."""
    buffer = io.BytesIO()
    # Nearly all of it is compressed already.
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file, data in sorted(contents.items()):
            member = tarfile.TarInfo(f"{top}/{file}")
            member.size = len(data)
            member.mode = 0o755 if file.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
