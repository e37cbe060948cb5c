"""Many pictures on every core of a Ray cluster: the only module that imports Ray."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecolor.batch.local_engine import color_one
from edgecolor.batch.plan import Job, Options, Outcome
from edgecolor_runtime.errors import EdgecolorError, MissingError, PictureError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import remove_partials

_BLOCK = 64  # pictures that a worker gets at once, at most; with 16, Ray's own work was felt
_SHARES = 8  # blocks for each worker, at least, so that none works long after the others
_DEATHS = 3  # workers that one picture may end
_PATIENCE = 10.0  # s for a cluster to answer


def color_all(
    jobs: Sequence[Job], model: ModelFile, options: Options, on_done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Color pictures on a Ray cluster: that of RAY_ADDRESS, or else one of this machine for this run.

    Paths travel, not pictures: every machine must see the folders under the same absolute names, and have
    this version of edgecolor.

    Args:
        jobs: What `plan` says.
        model: The model.
        options: How. `threads` is the number of workers on this machine; a cluster has one for each core.
            `same` is needed: the picture that a lost worker had just written is colored again.
        on_done: Called in this thread after each picture, in the order in which they become known.

    Returns:
        The outcomes, in the order of the jobs. A picture that fails stops no other, not even one that takes
        its worker down each time.

    Raises:
        MissingError: The cluster cannot be reached.
        EdgecolorError: Its machines cannot work: another Python, no edgecolor.
    """
    Colorizer(model, saturation=options.saturation)  # what is wrong with these is said before Ray starts
    outcomes: dict[Job, Outcome] = {}
    # However it ends, Ray Data's own threads end before the connection that they use.
    with _cluster(options.threads) as workers, closing(_stream(jobs, model, options, workers)) as stream:
        for outcome in stream:
            outcomes[outcome.job] = outcome
            on_done(outcome)
    for folder in {job.target.parent for job in jobs}:
        remove_partials(folder)  # what lost workers left
    return [outcomes[job] for job in jobs]


@contextmanager
def _cluster(threads: int) -> Iterator[int]:
    """A connection to Ray; gives the number of workers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What Ray says of lost workers, and of itself, is in its session's logs as far as these let it.
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "CRITICAL")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    address = os.environ.get("RAY_ADDRESS", "local")
    own = {"num_cpus": threads, "include_dashboard": False} if address == "local" else {}
    try:
        _knock(address)
        with _nothing_on_stderr():
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except (OSError, RuntimeError, ValueError) as error:
        missing = "Ray does not start here" if own else f"no Ray cluster at RAY_ADDRESS={address}"
        raise MissingError(f"{missing}: {_line(error)}") from error
    try:
        yield int(ray.cluster_resources().get("CPU", 0)) or 1
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port. Ray itself tries for minutes, and says nothing."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "://" not in address:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """Keep out what Ray's native part says there in spite of its level, such as that it has one."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # this process has no stderr
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _stream(
    jobs: Sequence[Job], model: ModelFile, options: Options, workers: int
) -> Generator[Outcome, None, None]:
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [
        {
            "number": number,
            "source": os.fsencode(job.source.absolute()),
            "target": os.fsencode(job.target.absolute()),
        }
        for number, job in enumerate(jobs)
    ]
    blocks = -(-len(rows) // max(1, min(_BLOCK, len(rows) // (_SHARES * workers))))
    done = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        _Worker,
        fn_constructor_args=(model, options, ray.remote(num_cpus=0, max_restarts=-1)(_Ledger).remote()),
        compute=ray.data.ActorPoolStrategy(size=min(workers, blocks)),
        num_cpus=1,
        batch_size=None,
        batch_format="pyarrow",
    )
    try:
        for table in done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in table.to_pylist():
                yield _as_named(pickle.loads(row["outcome"]), jobs[row["number"]])
    except ray.exceptions.RayError as error:
        raise EdgecolorError(f"Ray: {_line(error)}") from error


class _Worker:
    """One interpreter, in a process of its own. If it dies, Ray starts another and repeats the block."""

    def __init__(self, model: ModelFile, options: Options, ledger: Any) -> None:
        self._colorizer = Colorizer(model, saturation=options.saturation)
        self._options = options
        self._ledger = ledger

    def __call__(self, table: Any) -> Any:
        """From a block of jobs to their numbers and pickled outcomes."""
        import pyarrow
        import ray

        rows = table.to_pylist()
        again = ray.get(self._ledger.begin.remote(rows[0]["number"])) > 1
        color = self._suspicious if again else self._color
        outcomes = [color(row["number"], _job(row)) for row in rows]
        return pyarrow.table({"number": table["number"], "outcome": [pickle.dumps(o) for o in outcomes]})

    def _color(self, _: int, job: Job) -> Outcome:
        return color_one(job, self._colorizer, self._options)

    def _suspicious(self, number: int, job: Job) -> Outcome:
        """Color a picture of a block whose worker died, unless it is the one that workers die of."""
        import ray

        if ray.get(self._ledger.begin_picture.remote(number)) > _DEATHS:
            return Outcome(job, error=PictureError(f"{job.source}: {_DEATHS} workers died of it"))
        outcome = self._color(number, job)
        ray.get(self._ledger.end_picture.remote(number))
        return outcome


class _Ledger:
    """An actor beside the workers: how often what was begun."""

    def __init__(self) -> None:
        self._blocks: Counter[int] = Counter()
        self._pictures: Counter[int] = Counter()

    def begin(self, block: int) -> int:
        """How often this block was begun, now included."""
        self._blocks[block] += 1
        return self._blocks[block]

    def begin_picture(self, number: int) -> int:
        """How often this picture was begun since it last ended, now included."""
        self._pictures[number] += 1
        return self._pictures[number]

    def end_picture(self, number: int) -> None:
        """This picture ended no worker."""
        del self._pictures[number]


def _job(row: dict[str, Any]) -> Job:
    return Job(Path(os.fsdecode(row["source"])), Path(os.fsdecode(row["target"])))


def _as_named(outcome: Outcome, job: Job) -> Outcome:
    """The outcome of a worker, with the paths as the user wrote them."""
    text = str(outcome.error)
    for ours, theirs in ((job.source, outcome.job.source), (job.target, outcome.job.target)):
        if text.startswith(f"{theirs}:"):
            text = f"{ours}{text.removeprefix(str(theirs))}"
    return replace(outcome, job=job, error=outcome.error and type(outcome.error)(text))


def _line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip().splitlines()[-1]
