"""The local engine: colors pictures with the threads of this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from edgecolor.batch.commit import MAX_UNSYNCED_RESULTS
from edgecolor.batch.memory_budget import MemoryBudget
from edgecolor.batch.plan import ColoringOptions, PictureJob, PictureResult, SourceState, hash_file
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.hints import HintSet
from edgecolor_runtime.colors.own_frame import OwnColorFrame
from edgecolor_runtime.errors import EdgecolorError, PictureError, UsageError
from edgecolor_runtime.images.formats import find_format, format_of
from edgecolor_runtime.images.hint_file import hint_path, read_hints
from edgecolor_runtime.images.own_colors import KEPT_NOTE, is_in_color
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.images.reader import estimate_memory, open_picture
from edgecolor_runtime.images.writer import encode_pages
from edgecolor_runtime.inference.color_picture import ColoredFile, color_file
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import refuse_existing, stage_bytes
from edgecolor_runtime.system.memory import read_free_memory, release_freed_memory

_MEMORY_SHARE = 0.8  # of the free memory that pictures in work take together; the estimates are not exact
_LARGE_PICTURE_BYTES = 100_000_000  # memory of a picture after which freed memory may go back to the system
_SCARCE_PICTURES = 8  # if fewer pictures like this one fit the budget, freed memory goes back to the system


def color_all(
    model: ModelFile,
    jobs: Sequence[PictureJob],
    options: ColoringOptions,
    on_result: Callable[[PictureResult], None],
) -> None:
    """Color pictures on the cores of this machine. A picture that fails does not stop the others.

    Pictures whose memory does not fit into the free memory together are colored one after the other.

    Args:
        model: the model.
        jobs: the pictures.
        options: how they are colored.
        on_result: called in this thread with the result of each picture, in the order in which they end. The
            results are staged: they get their names from `ResultCommitter`.
    """
    # A delegate serves one interpreter only.
    workers = 1 if options.delegate else max(1, min(options.workers, len(jobs)))
    # A single picture gets all cores; with several pictures each core colors one picture.
    threads = options.workers if len(jobs) == 1 else 1
    idle: SimpleQueue[Colorizer] = SimpleQueue()
    for _ in range(workers):
        idle.put(Colorizer(model, threads=threads, saturation=options.saturation, delegate=options.delegate))
    free = read_free_memory() if workers > 1 else None
    budget = MemoryBudget(None if free is None else round(free * _MEMORY_SHARE))
    pool = ThreadPoolExecutor(workers)
    waiting = iter(jobs)
    begun: set[Future[PictureResult]] = set()
    try:
        while True:
            # No more than these, so that results cannot pile up while `on_result` waits for a slow disk.
            for job in islice(waiting, workers + MAX_UNSYNCED_RESULTS - len(begun)):
                begun.add(pool.submit(_color, job, idle, budget, options))
            if not begun:
                break
            for future in wait(begun, return_when=FIRST_COMPLETED).done:
                begun.remove(future)
                on_result(future.result())
    finally:
        budget.close()
        pool.shutdown(cancel_futures=True)
        for future in begun:  # pictures that were in work when the run was interrupted
            if not future.cancelled() and future.exception() is None:
                on_result(future.result())


def _color(
    job: PictureJob, idle: SimpleQueue[Colorizer], budget: MemoryBudget, options: ColoringOptions
) -> PictureResult:
    need = estimate_memory(job.source)
    with budget.reserved(need):
        colorizer = idle.get()
        try:
            return color_one(colorizer, job, options)
        finally:
            idle.put(colorizer)
            # To take memory again costs a picture of 12 megapixels 15 % of its time.
            if need >= _LARGE_PICTURE_BYTES and budget.is_scarce_for(_SCARCE_PICTURES * need):
                release_freed_memory()


def color_one(colorizer: Colorizer, job: PictureJob, options: ColoringOptions) -> PictureResult:
    """Color one picture and stage its result. An error of the picture is in the result, not raised."""
    try:
        if not options.accept_identical:
            refuse_existing(job.target, options.force)
        source = read_source_state(job.source)  # before reading: a change while it is read counts as later
        picture = open_picture(
            job.source,
            page=options.page,
            strict=options.strict,
            max_pixels=options.max_pixels,
            gray_range=options.gray_range,
        )
        hints, hint_notes = _hints_of(job, options)
        if picture.pages > 1 and options.page is None and format_of(job.target) == "TIFF":
            if hints is not None:
                raise UsageError(f"{job.source}: colors by hand are for one page. Choose it with --page")
            colored = _color_pages(colorizer, job, options, picture.pages)
        else:
            colored = color_file(
                colorizer,
                picture,
                job.source.read_bytes,
                job.target,
                page=options.page,
                quality=options.quality,
                label=options.label,
                hints=hints,
                recolor=options.recolor,
            )
        return PictureResult(
            job,
            size=picture.gray.size,
            notes=(*hint_notes, *colored.notes),
            source=source,
            stored=len(colored.data),
            sha256=hashlib.sha256(colored.data).hexdigest(),
            staged=stage_bytes(
                job.target,
                colored.data,
                accept_identical=options.accept_identical,
                modified_ns=source.modified,
            ),
            in_color=colored.in_color,
            kept=colored.kept,
        )
    except EdgecolorError as error:
        return PictureResult(job, error=error)
    except MemoryError:
        return PictureResult(job, error=PictureError(f"{job.source}: not enough memory for this picture"))
    except OSError as error:
        reason = f"{error.filename or job.source}: {error.strerror or error}"
        return PictureResult(job, error=PictureError(reason))


def _color_pages(colorizer: Colorizer, job: PictureJob, options: ColoringOptions, pages: int) -> ColoredFile:
    """Color all pages of a picture file that are not in color; return a TIFF file."""
    notes: list[str] = []
    pages_in_color = 0

    def color() -> Iterator[tuple[ColorFrame, Picture]]:
        nonlocal pages_in_color
        for number in range(1, pages + 1):
            picture = open_picture(
                job.source,
                page=number,
                strict=options.strict,
                max_pixels=options.max_pixels,
                gray_range=options.gray_range,
            )
            in_color = is_in_color(picture)
            pages_in_color += in_color
            kept = in_color and not options.recolor
            page_notes = (*picture.notes, KEPT_NOTE) if kept else picture.notes
            notes.extend(f"page {number}: {note}" for note in page_notes)
            if kept:
                yield OwnColorFrame.of_rgb(picture.to_rgb()), replace(picture, deep=None)
            else:
                yield colorizer.colorize(picture.gray), picture

    data, notes_of_tiff = encode_pages(color(), label=options.label)
    in_color = pages_in_color == pages
    if in_color and not options.recolor:
        own = job.source.read_bytes()
        return ColoredFile(own if find_format(own) == "TIFF" else data, (KEPT_NOTE,), in_color, kept=True)
    colored = pages if options.recolor else pages - pages_in_color
    which = f"its {pages} pages" if colored == pages else f"{colored} of its {pages} pages"
    return ColoredFile(data, (f"{which} were colored", *notes, *notes_of_tiff), in_color, kept=False)


def _hints_of(job: PictureJob, options: ColoringOptions) -> tuple[HintSet | None, tuple[str, ...]]:
    """Return the colors given by hand for a picture, and a note that names their file."""
    path = hint_path(job.source)
    if options.hints is not None or not path.is_file():
        return options.hints, ()
    hints = read_hints(path)
    return hints, (f"{len(hints.hints)} colors given by hand ({path.name})",)


def read_source_state(path: Path) -> SourceState:
    """Return what identifies the content of a picture file.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    hints = hint_path(path)
    hints_sha256 = hash_file(hints) if hints.is_file() else ""
    return SourceState(
        status.st_mtime_ns, status.st_size, status.st_ino, hash_file(path), hints_sha256=hints_sha256
    )
