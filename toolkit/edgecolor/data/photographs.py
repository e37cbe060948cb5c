"""The photographs of a folder: their list, and the identity of the set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgecolor.support.json_records import Count, Schema, Sha256
from edgecolor.support.picture_files import find_pictures
from edgecolor_runtime.errors import DataError


@dataclass(frozen=True)
class DataId:
    """The identity of a set of photographs: their number, and the SHA-256 of their names and contents."""

    photographs: Count
    sha256: Annotated[Sha256, Schema(description="of the names and contents of the photographs")]


def list_photographs(folder: Path) -> list[Path]:
    """Return all photographs below a folder, sorted by path.

    Raises:
        DataError: the folder is missing, has no photographs, or a subfolder cannot be listed.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photographs.")
    pictures = find_pictures(folder)
    if pictures.unlisted_folders:
        raise DataError(
            f"{pictures.unlisted_folders[0]}: this folder cannot be listed, or is empty and named like a "
            "picture. Change its permissions, or move it away."
        )
    if not pictures.files:
        raise DataError(
            f"{folder}: no photographs in this folder. Name a folder with pictures, such as .jpg."
        )
    return sorted(pictures.files)


def identify_data(folder: Path, *, without: Collection[str] = ()) -> DataId:
    """Return the identity of the photographs below a folder.

    Args:
        folder: the folder.
        without: names below the folder of photographs to leave out.

    Raises:
        DataError: as for `list_photographs`.
    """
    names = [path.relative_to(folder).as_posix() for path in list_photographs(folder)]
    hashes = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in names
        if name not in without
    }
    return DataId(len(hashes), hash_of_set(hashes))


def hash_of_set(hashes: dict[str, str]) -> str:
    """Return the SHA-256 of a set of files, which does not depend on the folder that holds the set.

    Args:
        hashes: name -> SHA-256 of each file. The digest is that of the lines "sha256  name", sorted by name.
    """
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(os.fsencode(lines)).hexdigest()
