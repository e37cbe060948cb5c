"""The local engine: colors pictures with the threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue

from edgecolor.batch.plan import ColoringOptions, PictureJob, PictureResult
from edgecolor_runtime.errors import EdgecolorError, PictureError
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.images.writer import save
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import refuse_existing


def color_all(
    model: ModelFile,
    jobs: Sequence[PictureJob],
    options: ColoringOptions,
    on_result: Callable[[PictureResult], None],
) -> None:
    """Color pictures on the cores of this machine. A picture that fails does not stop the others.

    Args:
        model: the model.
        jobs: the pictures.
        options: how they are colored.
        on_result: called in this thread with the result of each picture, in the order in which they end.
    """
    # A delegate serves one interpreter only.
    workers = 1 if options.delegate else max(1, min(options.workers, len(jobs)))
    # A single picture gets all cores; with several pictures each core colors one picture.
    threads = options.workers if len(jobs) == 1 else 1
    idle: SimpleQueue[Colorizer] = SimpleQueue()
    for _ in range(workers):
        idle.put(Colorizer(model, threads=threads, saturation=options.saturation, delegate=options.delegate))
    pool = ThreadPoolExecutor(workers)
    try:
        for future in as_completed([pool.submit(_color, job, idle, options) for job in jobs]):
            on_result(future.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _color(job: PictureJob, idle: SimpleQueue[Colorizer], options: ColoringOptions) -> PictureResult:
    colorizer = idle.get()
    try:
        return color_one(colorizer, job, options)
    finally:
        idle.put(colorizer)


def color_one(colorizer: Colorizer, job: PictureJob, options: ColoringOptions) -> PictureResult:
    """Color one picture. An error of the picture is returned in the result, not raised."""
    try:
        if not options.accept_identical:
            refuse_existing(job.target, options.force)
        modified = job.source.stat().st_mtime_ns  # before reading: a change while it is read counts as later
        picture = open_picture(job.source)
        frame = colorizer.colorize(picture.gray)
        notes = save(
            frame,
            job.target,
            of=picture,
            quality=options.quality,
            force=options.force,
            accept_identical=options.accept_identical,
        )
        return PictureResult(
            job,
            size=frame.y.size,
            notes=(*picture.notes, *notes),
            modified=modified,
            stored=job.target.stat().st_size,
        )
    except EdgecolorError as error:
        return PictureResult(job, error=error)
    except MemoryError:
        return PictureResult(job, error=PictureError(f"{job.source}: not enough memory for this picture"))
    except OSError as error:
        reason = f"{error.filename or job.source}: {error.strerror or error}"
        return PictureResult(job, error=PictureError(reason))
