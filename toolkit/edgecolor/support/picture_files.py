"""The listing of picture files below a folder, shared by everything that reads a folder of photographs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgecolor_runtime.images.formats import is_picture


@dataclass(frozen=True)
class PictureFiles:
    """The pictures of a folder.

    Attributes:
        files: in the order of a walk: the files of a folder by name, then its subfolders by name.
        unlisted_folders: folders that cannot be listed, and empty folders whose name is that of a picture.
    """

    files: tuple[Path, ...]
    unlisted_folders: tuple[Path, ...]


def find_pictures(folder: Path, *, excluded: Path | None = None) -> PictureFiles:
    """Find the pictures below a folder, by their extensions; hidden files and folders are left out.

    Args:
        folder: the folder to search, with its subfolders.
        excluded: a subfolder to leave out.
    """
    excluded_path = excluded and os.path.realpath(excluded)
    errors: list[OSError] = []
    files: list[Path] = []
    named_like_pictures: list[Path] = []
    for name, subfolders, file_names in os.walk(folder, onerror=errors.append):
        here = Path(name)
        subfolders[:] = sorted(
            sub
            for sub in subfolders
            if not sub.startswith(".") and os.path.realpath(here / sub) != excluded_path
        )
        named_like_pictures += [here / sub for sub in subfolders if is_picture(Path(sub))]
        files += [here / file for file in sorted(file_names) if is_picture(Path(file))]
    unlisted = [Path(error.filename) for error in errors]
    empty = [sub for sub in named_like_pictures if not any(sub in file.parents for file in files)]
    return PictureFiles(tuple(files), tuple(dict.fromkeys([*unlisted, *empty])))
