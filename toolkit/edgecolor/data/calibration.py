"""The calibration set: photographs that determine the int8 ranges.

A calibration folder has pictures and, to be reproducible, a `manifest.csv` with at least the columns `file`
and `sha256`. With a manifest every hash is verified and every picture must be listed. Without a manifest the
set is all pictures of the folder; pictures in subfolders do not belong to it.
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
MIN_PICTURES = 20  # with fewer pictures the ranges depend on chance


@dataclass(frozen=True)
class Calibration:
    """A prepared calibration set.

    Attributes:
        names: file names, sorted.
        gray: uint8 (n, 224, 224), each picture as a gray camera would give it.
        sha256: hash of the names and hashes of the files; it does not depend on the folder.
    """

    names: tuple[str, ...]
    gray: U8
    sha256: str


def read_calibration(folder: Path) -> Calibration:
    """Read and verify a calibration folder.

    Raises:
        DataError: the folder is missing or has fewer than 20 pictures, or a picture is missing, changed,
            unlisted or unreadable, or the manifest has another form. The message names the file.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such calibration folder. Name a folder with --calibration.")
    manifest = folder / MANIFEST
    pictures = sorted(path.name for path in find_pictures(folder).files if path.parent == folder)
    listed_hashes = _read_manifest(manifest) if manifest.is_file() else None
    if listed_hashes is not None:
        _refuse_unlisted(manifest, pictures, listed_hashes)
        pictures = sorted(listed_hashes)
    if len(pictures) < MIN_PICTURES:
        raise DataError(f"{folder}: {len(pictures)} pictures; calibration needs at least {MIN_PICTURES}.")
    hashes = {name: _hash(folder / name) for name in pictures}
    for name, listed_hash in (listed_hashes or {}).items():
        if hashes[name] != listed_hash:
            raise DataError(f"{folder / name}: changed since {MANIFEST} was written. Restore it.")
    gray = np.stack([_read_gray(folder / name) for name in pictures])
    return Calibration(tuple(pictures), gray, hash_of_set(hashes))


def representative(gray: U8) -> Iterator[list[F32]]:
    """Yield a TFLite converter's representative dataset: one float32 input (1, 224, 224, 1) at a time."""
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


def _refuse_unlisted(manifest: Path, pictures: list[str], listed_hashes: dict[str, str]) -> None:
    for name in pictures:
        if name not in listed_hashes:
            raise DataError(
                f"{manifest.with_name(name)}: not in {MANIFEST}. Add a row for this picture, or remove it."
            )


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}. The calibration set is incomplete.") from error


def _read_gray(path: Path) -> U8:
    try:
        return squash(open_picture(path, strict=True).gray)
    except PictureError as error:
        raise DataError(f"{error}. Remove this picture from the calibration folder.") from error


@cache
def read_check_set() -> Calibration:
    """Read the check set, 24 pictures, and verify every hash."""
    return read_calibration(CHECK_PICTURES)
