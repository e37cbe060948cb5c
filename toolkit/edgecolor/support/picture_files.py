"""The listing of picture files below a folder, shared by everything that reads a folder of photographs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgecolor_runtime.images.formats import is_picture, is_picture_file

SYSTEM_NAMES = frozenset(
    (
        *("@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx"),
        *("$recycle.bin", "system volume information", "lost+found"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini"),
    )
)
"""Names, in lower case, of what network storage, macOS, Windows and Linux put into folders of photographs."""

_RAW_SUFFIXES = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc"),
        *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2"),
        *(".srf", ".srw", ".x3f"),
    )
)
_SYSTEM = "made by the system"
_HIDDEN = "hidden"


@dataclass(frozen=True)
class SkippedFile:
    """A file or folder that is not read as a picture.

    Attributes:
        path: the file, or a folder that is left out with everything in it.
        reason: why, in a few words.
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class PictureFiles:
    """The pictures of a folder.

    Attributes:
        files: in the order of a walk: the files of a folder by name, then its subfolders by name.
        unlisted_folders: folders that cannot be listed, and empty folders whose name is that of a picture.
        skipped: everything else in the folder, in the order of a walk.
    """

    files: tuple[Path, ...]
    unlisted_folders: tuple[Path, ...]
    skipped: tuple[SkippedFile, ...] = ()


def find_pictures(folder: Path, *, excluded: Path | None = None) -> PictureFiles:
    """Find the pictures below a folder.

    A picture has the extension of a picture, or no extension and the content of a picture. Hidden files and
    folders, and those of `SYSTEM_NAMES`, are skipped.

    Args:
        folder: the folder to search, with its subfolders.
        excluded: a subfolder to leave out; it is not listed as skipped.
    """
    excluded_path = excluded and os.path.realpath(excluded)
    errors: list[OSError] = []
    files: list[Path] = []
    skipped: list[SkippedFile] = []
    named_like_pictures: list[Path] = []
    for name, subfolders, file_names in os.walk(folder, onerror=errors.append):
        here = Path(name)
        entered = []
        for sub in sorted(subfolders):
            if reason := _private_reason(sub):
                skipped.append(SkippedFile(here / sub, reason))
            elif os.path.realpath(here / sub) != excluded_path:
                entered.append(sub)
        subfolders[:] = entered
        named_like_pictures += [here / sub for sub in subfolders if is_picture(Path(sub))]
        for file in sorted(file_names):
            if reason := _private_reason(file):
                skipped.append(SkippedFile(here / file, reason))
            elif is_picture_file(here / file):
                files.append(here / file)
            else:
                skipped.append(SkippedFile(here / file, _describe_other(here / file)))
    unlisted = [Path(error.filename) for error in errors]
    empty = [sub for sub in named_like_pictures if not any(sub in file.parents for file in files)]
    return PictureFiles(tuple(files), tuple(dict.fromkeys([*unlisted, *empty])), tuple(skipped))


def _private_reason(name: str) -> str | None:
    """Return why a file or folder of this name is skipped unread; None if it is not."""
    if name.casefold() in SYSTEM_NAMES:
        return _SYSTEM
    return _HIDDEN if name.startswith(".") else None


def _describe_other(path: Path) -> str:
    """Return what a file is that is no picture."""
    from edgecolor_runtime.sources.video import SUFFIXES

    suffix = path.suffix.lower()
    if suffix in _RAW_SUFFIXES:
        return "camera raw; name the file to color it"
    if suffix in SUFFIXES:
        return "video; name the file to color it"
    if suffix == ".pdf":
        return "PDF; name the file to color its scans"
    return "not a picture" if suffix else "no extension, and not a picture"
