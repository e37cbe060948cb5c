"""The calibration set: photographs that set the int8 ranges.

A calibration folder holds pictures and, if it is to be reproducible, `manifest.csv` with at least the columns
`file` and `sha256`. With a manifest every hash is verified and every picture must be listed; without one all
pictures of the folder count.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edgecolor.data.photographs import hash_of_set
from edgecolor.support.picture_files import find_pictures
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import DataError, PictureError
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.inference.preprocess import network_input, squash

CHECK_PICTURES = Path(__file__).parent / "check_pictures"


MANIFEST = "manifest.csv"
LEAST_PICTURES = 20  # fewer leave ranges to chance


@dataclass(frozen=True)
class Calibration:
    """A calibration set, prepared.

    Attributes:
        names: file names, sorted.
        gray: uint8 (n, 224, 224), what a camera would give for each.
        sha256: of the names and hashes of the files; the same set in another folder has the same one.
    """

    names: tuple[str, ...]
    gray: U8
    sha256: str


def read_calibration(folder: Path) -> Calibration:
    """Reads and verifies a calibration folder.

    Raises:
        DataError: no such folder, fewer than 20 pictures, a picture that is missing, changed, unlisted or
            unreadable, or a manifest of another form; it names the file.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such calibration folder. Name one with --calibration.")
    manifest = folder / MANIFEST
    pictures = sorted(path.name for path in find_pictures(folder).files if path.parent == folder)
    listed = _read_manifest(manifest) if manifest.is_file() else None
    if listed is not None:
        _refuse_unlisted(manifest, pictures, listed)
        pictures = sorted(listed)
    if len(pictures) < LEAST_PICTURES:
        raise DataError(f"{folder}: {len(pictures)} pictures; calibration needs at least {LEAST_PICTURES}.")
    hashes = {name: _hash(folder / name) for name in pictures}
    for name, wanted in (listed or {}).items():
        if hashes[name] != wanted:
            raise DataError(f"{folder / name}: changed since {MANIFEST} was written. Restore it.")
    gray = np.stack([_read_gray(folder / name) for name in pictures])
    return Calibration(tuple(pictures), gray, hash_of_set(hashes))


def representative(gray: U8) -> Iterator[list[F32]]:
    """What a TFLite converter asks for: one input, float32 (1, 224, 224, 1), at a time."""
    for picture in gray:
        yield [network_input(picture[None])]


def _read_manifest(manifest: Path) -> dict[str, str]:
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = [(row["file"], row["sha256"].lower()) for row in csv.DictReader(file)]
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{manifest}: not a CSV with the columns file and sha256.") from error
    names = [name for name, _ in rows]
    for name in names:
        if Path(name).name != name or names.count(name) > 1:
            raise DataError(f"{manifest}: {name!r} must be a plain file name that is listed once.")
    return dict(rows)


def _refuse_unlisted(manifest: Path, pictures: list[str], listed: dict[str, str]) -> None:
    for name in pictures:
        if name not in listed:
            raise DataError(f"{manifest.with_name(name)}: not in {MANIFEST}. Add its row, or take it away.")


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}. The calibration set is incomplete.") from error


def _read_gray(path: Path) -> U8:
    try:
        return squash(open_picture(path).gray)
    except PictureError as error:
        raise DataError(f"{error}. Take it out of the calibration folder.") from error


@cache
def read_check_set() -> Calibration:
    """The check set, every hash verified; 24 pictures."""
    return read_calibration(CHECK_PICTURES)
