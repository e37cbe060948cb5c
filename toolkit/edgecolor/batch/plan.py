"""The plan of a batch: which pictures to color, and the path of each result."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecolor.support.picture_files import SkippedFile, find_pictures
from edgecolor_runtime.colors.hints import HintSet
from edgecolor_runtime.errors import EdgecolorError, PictureError, UsageError
from edgecolor_runtime.images.formats import WRITTEN_FORMATS, format_of
from edgecolor_runtime.system.files import StagedFile
from edgecolor_runtime.system.strict_json import parse_json

FALLBACK_EXTENSION = ".png"  # of a result whose source has a format that cannot hold the colors
_HASH_BLOCK_BYTES = 1 << 20
MARK = ".color"  # before the extension of a result that lies beside its source
MANIFEST_NAME = "manifest.jsonl"
"""Name of the file in a folder of results that lists them; `batch/manifest.py` describes its lines."""

ALREADY_COLORED = "already colored"
"""Reason of a picture that is skipped because its result lies beside it."""

EARLIER_RESULT = "result of an earlier run"
"""Reason of a picture that is skipped because edgecolor wrote it."""

OUTDATED_RESULT = "changed since it was colored; --force colors it again"
"""Reason of a picture that is skipped because the result beside it is older and may not be replaced."""


@dataclass(frozen=True)
class PictureJob:
    """One picture to color.

    Attributes:
        source: path of the picture.
        target: path of the result.
    """

    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        jobs: the pictures to color.
        skipped: everything else in the input folders.
    """

    jobs: tuple[PictureJob, ...]
    skipped: tuple[SkippedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceState:
    """What identifies the content of a picture, taken before the picture was read.

    Attributes:
        modified: time of its last change, in ns since 1970.
        size: its size in bytes.
        inode: its number in the file system; some file systems number their files anew at each mount.
        sha256: SHA-256 of its bytes.
        hints_sha256: SHA-256 of the file of hints beside it; empty if there is none.
    """

    modified: int
    size: int
    inode: int
    sha256: str
    hints_sha256: str = ""


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class PictureResult:
    """The result of one picture.

    Attributes:
        job: the picture and the path of the result.
        size: width and height in pixels; None if the picture failed.
        notes: what a user should know, one sentence each.
        source: the state of the picture that was read; None if it could not be read.
        stored: size of the result in bytes.
        sha256: SHA-256 of the result's bytes.
        staged: the result while it waits for its name; None once it has its name.
        error: why there is no result; None if there is one.
        in_color: the picture is in color itself.
        kept: the result has the picture's own colors.
    """

    job: PictureJob
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    source: SourceState | None = None
    stored: int = 0
    sha256: str = ""
    staged: StagedFile | None = None
    error: EdgecolorError | None = None
    in_color: bool = False
    kept: bool = False


@dataclass(frozen=True)
class ColoringOptions:
    """How pictures are colored.

    Attributes:
        workers: number of CPU cores to use.
        saturation: gain on the colors; None for the model's own.
        quality: of JPEG and WebP, 1 to 100.
        label: state in the results that their colors are computed.
        max_pixels: refuse larger pictures; None for no limit.
        page: the page or frame to color, from 1; None for the first, and for all pages if the result is TIFF.
        strict: refuse pictures that are cut off or damaged.
        gray_range: the values of more than 8 bits that become black and white; None: each picture decides.
        hints: colors given by hand, for one picture; None: those of the file of hints beside each picture.
        force: replace existing results.
        delegate: "edgetpu" or the path of a TFLite delegate; None for the CPU.
        recolor: give new colors also to pictures that are in color.
        accept_identical: an existing result with the same bytes counts as written. An interrupted run left
            it.
        replaceable: damaged or outdated results of an earlier run, which are replaced also without `force`.
    """

    workers: int
    saturation: float | None = None
    quality: int = 95
    label: bool = True
    max_pixels: int | None = None
    page: int | None = None
    strict: bool = False
    gray_range: tuple[float, float] | None = None
    hints: HintSet | None = None
    force: bool = False
    delegate: str | None = None
    recolor: bool = False
    accept_identical: bool = False
    replaceable: frozenset[Path] = frozenset()


def are_many(inputs: Sequence[Path]) -> bool:
    """Return whether the inputs are several pictures or a folder, so that the results need a folder."""
    return len(inputs) > 1 or inputs[0].is_dir()


def plan_jobs(inputs: Sequence[Path], output: Path | None, *, force: bool = False) -> Plan:
    """Choose the pictures to color and the path of each result.

    Results of earlier runs are not colored again: those that a manifest lists, and those with the name of a
    result beside its picture.

    Args:
        inputs: picture files, and folders that are searched with their subfolders.
        output: a file for one picture, a folder for several pictures or a folder; None: beside each picture,
            under a new name. A path that exists as a folder, or has no extension, is a folder.
        force: color pictures again that have a result beside them.

    Raises:
        UsageError: the output fits neither, or a result would replace an input.
        PictureError: a folder has no pictures.
    """
    many = are_many(inputs)
    if (
        output is not None
        and many
        and not output.is_dir()
        and (output.exists() or output.suffix.lower() in WRITTEN_FORMATS)
    ):
        raise UsageError(f"-o {output}: several pictures need a folder")
    skipped: list[SkippedFile] = []
    if output is not None and not many and not output.is_dir() and output.suffix:
        format_of(output)
        jobs = [PictureJob(inputs[0], output)]
    else:
        jobs = _assign_targets(_collect_sources(inputs, output, skipped), output)
    sources = {_real_path(job.source) for job in jobs}
    for job in jobs:
        if _real_path(job.target) in sources:
            raise UsageError(f"{job.target} would replace a picture that is read; choose another -o")
    if many and output is None and not force:
        jobs = _without_colored(jobs, skipped)
    return Plan(tuple(jobs), tuple(skipped))


def _without_colored(jobs: list[PictureJob], skipped: list[SkippedFile]) -> list[PictureJob]:
    """Return the jobs whose result does not lie beside its picture; the others are added to `skipped`."""
    remaining = []
    for job in jobs:
        if not job.target.is_file():
            remaining.append(job)
            continue
        outdated = job.source.is_file() and job.source.stat().st_mtime > job.target.stat().st_mtime
        skipped.append(SkippedFile(job.source, OUTDATED_RESULT if outdated else ALREADY_COLORED))
    return remaining


def result_extension(source: Path) -> str:
    """Return the extension of a picture's result: that of the picture if its format can hold the colors."""
    return source.suffix if source.suffix.lower() in WRITTEN_FORMATS else FALLBACK_EXTENSION


def _collect_sources(
    inputs: Sequence[Path], output: Path | None, skipped: list[SkippedFile]
) -> list[tuple[Path, Path]]:
    """Return each picture once, with the folder below the output that its result belongs to.

    What is not colored is added to `skipped`.
    """
    sources: dict[str, tuple[Path, Path]] = {}
    for entry in inputs:
        if not entry.is_dir():
            sources.setdefault(_real_path(entry), (entry, Path()))
            continue
        pictures, others = _pictures_to_color(entry, output)
        skipped += others
        if not pictures and not any(other.reason == EARLIER_RESULT for other in others):
            raise PictureError(f"{entry}: no pictures in this folder{_count_reasons(others)}")
        # A single folder becomes the output; several folders become subfolders of the output.
        base = Path() if len(inputs) == 1 else Path(entry.resolve().name)
        for picture in pictures:
            sources.setdefault(_real_path(picture), (picture, base / picture.parent.relative_to(entry)))
    return list(sources.values())


def _pictures_to_color(folder: Path, output: Path | None) -> tuple[list[Path], list[SkippedFile]]:
    """Return the pictures of a folder, and everything in it that is not colored."""
    listing = find_pictures(folder, excluded=output)
    manifests = {other.path for other in listing.skipped if other.path.name == MANIFEST_NAME}
    results = {result for manifest in sorted(manifests) for result in _read_result_paths(manifest)}
    pictures: list[Path] = []
    skipped = [other for other in listing.skipped if other.path not in manifests]
    for path in listing.files:
        if path.stem.endswith(MARK) or path in results:
            skipped.append(SkippedFile(path, EARLIER_RESULT))
        else:
            pictures.append(path)
    # A folder that cannot be listed is planned like a picture, and is reported as one that cannot be opened.
    return [*pictures, *listing.unlisted_folders], skipped


def _read_result_paths(manifest: Path) -> set[Path]:
    """Return the results that a manifest lists; none for another file of this name."""
    results = set()
    try:
        with manifest.open("rb") as lines:
            for line in lines:
                entry = parse_json(line)
                if entry["status"] == "done":
                    results.add(manifest.parent / entry["result"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the end of a manifest may be cut off
    return results


def _count_reasons(skipped: Sequence[SkippedFile]) -> str:
    counts = Counter(other.reason for other in skipped)
    return f" ({', '.join(f'{count} {reason}' for reason, count in counts.items())})" if counts else ""


def _real_path(path: Path) -> str:
    return os.path.realpath(path)  # Path.resolve raises RuntimeError for a link to itself


def _assign_targets(sources: list[tuple[Path, Path]], output: Path | None) -> list[PictureJob]:
    """Give each picture a target of its own; the targets are the same in every run.

    If two pictures want one name, the picture whose extension changes keeps its whole name: a.bmp beside
    a.png becomes a.bmp.png. Names that still collide are numbered.
    """
    mark = MARK if output is None else ""

    def target(source: Path, below: Path, stem: str) -> Path:
        folder = source.parent if output is None else output / below
        return folder / f"{stem}{mark}{result_extension(source)}"

    wanted = Counter(_file_key(target(source, below, source.stem)) for source, below in sources)
    taken: set[str] = set()
    jobs = []
    for source, below in sources:
        stem = source.stem
        if wanted[_file_key(target(source, below, stem))] > 1 and source.suffix != result_extension(source):
            stem = source.name
        number, name = 1, stem
        while _file_key(target(source, below, name)) in taken or (
            number > 1 and _file_key(target(source, below, name)) in wanted
        ):
            number += 1
            name = f"{stem}-{number}"
        taken.add(_file_key(target(source, below, name)))
        jobs.append(PictureJob(source, target(source, below, name)))
    return jobs


def _file_key(path: Path) -> str:
    return str(path).casefold()  # file systems of SD cards and Macs do not distinguish A from a
