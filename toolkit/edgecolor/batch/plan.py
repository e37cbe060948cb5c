"""Many pictures in one go: which ones, where to, and all of them on every core."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecolor_runtime.errors import EdgecolorError, PictureError, UsageError
from edgecolor_runtime.images.writer import FORMATS, format_of

_OTHERS = (
    ".mpo .apng .gif .bmp .dib .ppm .pgm .pbm .pnm .pfm .pcx .tga .sgi .psd .ico .icns .dds .jp2 .j2k .jpx "
    ".avif .heic .heif"
)
PICTURES = frozenset(FORMATS).union(_OTHERS.split())
"""Extensions of pictures in a folder. What Pillow cannot open of them is listed as failed, not skipped."""

OTHERWISE = ".png"  # what a format that cannot hold the colors becomes
MARK = ".color"  # before the extension of a result that lies beside its input


@dataclass(frozen=True)
class Job:
    """One picture to color."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    Attributes:
        job: Which.
        size: Its width and height in pixels.
        notes: What a user should know, one sentence each.
        modified: When the picture was last changed before it was read, as the file system has it, in ns.
        stored: Bytes of the result.
        error: Why there is no result; None if there is one.
    """

    job: Job
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    modified: int = 0
    stored: int = 0
    error: EdgecolorError | None = None


@dataclass(frozen=True)
class Options:
    """How to color, on so many cores.

    `saturation` None is the model's own, `delegate` None the CPU. With `same`, a result that is there already
    and holds the very bytes that would be written counts as written: an interrupted run left it.
    """

    threads: int
    saturation: float | None = None
    quality: int = 95
    force: bool = False
    delegate: str | None = None
    same: bool = False


def are_many(inputs: Sequence[Path]) -> bool:
    """Whether these are several pictures, or a folder of them, whose results belong into a folder."""
    return len(inputs) > 1 or inputs[0].is_dir()


def plan(inputs: Sequence[Path], output: Path | None) -> list[Job]:
    """Say which pictures to color, and where each goes.

    Args:
        inputs: Picture files, and folders that are searched with their sub-folders.
        output: A file for one picture, a folder for several or for a folder; None: beside each input, under
            a new name. What exists as a folder, or has no extension, is a folder.

    Raises:
        UsageError: The output fits neither, or a result would replace one of the inputs.
        PictureError: A folder holds no picture.
    """
    many = are_many(inputs)
    if (
        output is not None
        and many
        and not output.is_dir()
        and (output.exists() or output.suffix.lower() in FORMATS)
    ):
        raise UsageError(f"-o {output}: several pictures need a folder")
    if output is not None and not many and not output.is_dir() and output.suffix:
        format_of(output)
        jobs = [Job(inputs[0], output)]
    else:
        jobs = _name(_collect(inputs, output), output)
    sources = {_real(job.source) for job in jobs}
    for job in jobs:
        if _real(job.target) in sources:
            raise UsageError(f"{job.target} would replace a picture that is read; choose another -o")
    return jobs


def _collect(inputs: Sequence[Path], output: Path | None) -> list[tuple[Path, Path]]:
    """Pictures, each with the folder below the output that it belongs to; none twice."""
    found: dict[str, tuple[Path, Path]] = {}
    for entry in inputs:
        if not entry.is_dir():
            found.setdefault(_real(entry), (entry, Path()))
            continue
        pictures = _pictures(entry, output)
        if not pictures:
            raise PictureError(f"{entry}: no pictures in this folder")
        # Two folders keep their names apart under the output; one alone is the output.
        base = Path() if len(inputs) == 1 else Path(entry.resolve().name)
        for picture in pictures:
            found.setdefault(_real(picture), (picture, base / picture.parent.relative_to(entry)))
    return list(found.values())


def _real(path: Path) -> str:
    return os.path.realpath(path)  # of a link that leads to itself Path.resolve raises RuntimeError


def _pictures(folder: Path, output: Path | None) -> list[Path]:
    """Pictures below a folder, sorted, without hidden files and without results of an earlier run."""
    results = _real(output) if output is not None else None
    found: list[Path] = []
    unlisted: list[OSError] = []
    named: list[Path] = []
    # What cannot be listed, or is a folder called like a picture that holds none, stands among the pictures,
    # and is reported as one that cannot be opened.
    for here, folders, files in os.walk(folder, onerror=unlisted.append):
        base = Path(here)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and _real(base / f) != results)
        named += [base / f for f in folders if Path(f).suffix.lower() in PICTURES]
        found += [
            base / f
            for f in sorted(files)
            if not f.startswith(".")
            and Path(f).suffix.lower() in PICTURES
            and not Path(f).stem.endswith(MARK)
        ]
    failed = [Path(error.filename) for error in unlisted]
    empty = [f for f in named if not any(f in other.parents for other in found)]
    return found + failed + [f for f in empty if f not in failed]


def _name(pictures: list[tuple[Path, Path]], output: Path | None) -> list[Job]:
    """Give each picture a target of its own, the same in every run.

    Where two want one name, the one whose extension changes keeps its whole name: a.bmp beside a.png becomes
    a.bmp.png. What still collides is numbered.
    """
    mark = MARK if output is None else ""

    def target(source: Path, below: Path, stem: str) -> Path:
        folder = source.parent if output is None else output / below
        return folder / f"{stem}{mark}{extension(source)}"

    wanted = Counter(_key(target(source, below, source.stem)) for source, below in pictures)
    taken: set[str] = set()
    jobs = []
    for source, below in pictures:
        stem = source.stem
        if wanted[_key(target(source, below, stem))] > 1 and source.suffix != extension(source):
            stem = source.name
        number, name = 1, stem
        while _key(target(source, below, name)) in taken or (
            number > 1 and _key(target(source, below, name)) in wanted
        ):
            number += 1
            name = f"{stem}-{number}"
        taken.add(_key(target(source, below, name)))
        jobs.append(Job(source, target(source, below, name)))
    return jobs


def _key(path: Path) -> str:
    return str(path).casefold()  # the file systems of SD cards and Macs do not tell A from a


def extension(source: Path) -> str:
    """The extension of a picture's result: its own, or that of a format that can hold the colors."""
    return source.suffix if source.suffix.lower() in FORMATS else OTHERWISE
