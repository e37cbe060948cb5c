"""Color many photographs on the cores of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue

from edgecolor.batch.plan import Job, Options, Outcome
from edgecolor_runtime.errors import EdgecolorError, PictureError
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.images.writer import save
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import refuse_existing


def color_all(
    jobs: Sequence[Job], model: ModelFile, options: Options, on_done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Color pictures on every core.

    Args:
        jobs: What `plan` says.
        model: The model.
        options: How.
        on_done: Called in this thread after each picture, in the order in which they end.

    Returns:
        The outcomes, in the order of the jobs. A picture that fails stops no other.
    """
    # An accelerator serves one interpreter.
    workers = 1 if options.delegate else max(1, min(options.threads, len(jobs)))
    free: SimpleQueue[Colorizer] = SimpleQueue()
    for _ in range(workers):
        # One picture: the interpreter takes the cores. Several: each core takes a picture.
        threads = options.threads if len(jobs) == 1 else 1
        free.put(Colorizer(model, threads=threads, saturation=options.saturation, delegate=options.delegate))
    outcomes: dict[Job, Outcome] = {}
    pool = ThreadPoolExecutor(workers)
    try:
        for future in as_completed([pool.submit(_color, job, free, options) for job in jobs]):
            outcome = future.result()
            outcomes[outcome.job] = outcome
            on_done(outcome)
    finally:
        pool.shutdown(cancel_futures=True)
    return [outcomes[job] for job in jobs]


def _color(job: Job, free: SimpleQueue[Colorizer], options: Options) -> Outcome:
    colorizer = free.get()
    try:
        return color_one(job, colorizer, options)
    finally:
        free.put(colorizer)


def color_one(job: Job, colorizer: Colorizer, options: Options) -> Outcome:
    """Color one picture. What is wrong with it is in the outcome, and never raised."""
    try:
        if not options.same:
            refuse_existing(job.target, options.force)
        modified = job.source.stat().st_mtime_ns  # before it is read: a later change is then seen as one
        picture = open_picture(job.source)
        frame = colorizer.colorize(picture.gray)
        notes = save(
            frame, job.target, of=picture, quality=options.quality, force=options.force, same=options.same
        )
        stored = job.target.stat().st_size
        return Outcome(job, frame.y.size, (*picture.notes, *notes), modified, stored)
    except EdgecolorError as error:
        return Outcome(job, error=error)
    except MemoryError:
        return Outcome(job, error=PictureError(f"{job.source}: not enough memory for it"))
    except OSError as error:
        reason = f"{error.filename or job.source}: {error.strerror or error}"
        return Outcome(job, error=PictureError(reason))
