"""The Ray engine: colors pictures on every core of a Ray cluster. Only this module imports Ray."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecolor.batch.commit import publish_results
from edgecolor.batch.local_engine import color_one
from edgecolor.batch.plan import ColoringOptions, PictureJob, PictureResult
from edgecolor_runtime.errors import EdgecolorError, MissingError, PictureError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.system.files import remove_stale

MAX_BLOCK_PICTURES = 64  # pictures that a worker gets at a time; with 16, Ray's own work cost noticeable time
MIN_BLOCKS_PER_WORKER = 8  # so that no worker still works long after the others
MAX_WORKER_DEATHS = 3  # workers that one picture may kill before it counts as failed
CONNECT_SECONDS = 10.0  # time for a cluster to answer
JOIN_SECONDS = 60.0  # time for Ray Data's threads to end; they need milliseconds, on a busy machine seconds
_DATA_THREADS = ("StreamingExecutor", "ray-data-metadata", "iter_threaded")


def color_all(
    model: ModelFile,
    jobs: Sequence[PictureJob],
    options: ColoringOptions,
    on_result: Callable[[PictureResult], None],
) -> None:
    """Color pictures on the Ray cluster at RAY_ADDRESS; without this variable on a cluster of this machine.

    Paths are sent to the workers, not pictures: every machine must see the folders under the same absolute
    names, and have this version of edgecolor. A picture that fails does not stop the others, even if it kills
    its worker each time.

    Args:
        model: the model.
        jobs: the pictures.
        options: how they are colored. `workers` is the number of workers on this machine; a cluster has one
            for each core. `accept_identical` is needed: a picture that a lost worker had just written is
            colored again.
        on_result: called in this thread with the result of each picture, in the order in which they arrive.

    Raises:
        MissingError: the cluster cannot be reached.
        EdgecolorError: its machines cannot work: another Python, no edgecolor.
    """
    Colorizer(model, saturation=options.saturation)  # raises errors of these two before Ray starts
    # The stream of Ray Data ends before the connection that it uses, however the run ends.
    with (
        _connect_cluster(options.workers) as workers,
        closing(_stream_results(model, jobs, options, workers)) as results,
    ):
        for result in results:
            on_result(result)
    names: dict[Path, list[str]] = {}
    for job in jobs:
        names.setdefault(job.target.parent, []).append(job.target.name)
    for folder, own in names.items():
        remove_stale(folder, own=own)  # files of lost workers


@contextmanager
def _connect_cluster(workers: int) -> Iterator[int]:
    """Connect to Ray, or start Ray here with this number of workers; yield the number of workers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's messages on lost workers and on itself belong to the logs of its session.
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "CRITICAL")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    address = os.environ.get("RAY_ADDRESS", "local")
    own = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        try:
            _check_listening(address)
            with _kept_signal_handler(), _silenced_stderr():
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
        except (OSError, RuntimeError, ValueError) as error:
            missing = "Ray does not start here" if own else f"no Ray cluster at RAY_ADDRESS={address}"
            raise MissingError(f"{missing}: {_last_line(error)}") from error
        yield int(ray.cluster_resources().get("CPU", 0)) or 1
    finally:
        try:
            _join_data_threads()
        finally:
            ray.shutdown()


@contextmanager
def _kept_signal_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM: Ray installs one that ends the process with the exit code 1 or 15.

    If SIGTERM arrives while Ray starts, the handler of Ray ends its processes and raises SystemExit. Then the
    restored handler is called.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        if callable(handler):
            handler(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _join_data_threads() -> None:
    """Wait until the threads of Ray Data have ended; Ray Data itself waits for two seconds only.

    A thread that uses Ray while Ray shuts down ends this process at once, with exit code 1 and no message.
    """
    end = time.monotonic() + JOIN_SECONDS
    for thread in threading.enumerate():
        if thread.name.startswith(_DATA_THREADS):
            thread.join(max(0.0, end - time.monotonic()))


def _check_listening(address: str) -> None:
    """Raise OSError if nothing listens at host:port. Ray itself would try for minutes without a message."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "://" not in address:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard what Ray's native part prints on stderr in spite of its log level."""
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


def _stream_results(
    model: ModelFile, jobs: Sequence[PictureJob], options: ColoringOptions, workers: int
) -> Generator[PictureResult, None, None]:
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
    options = replace(options, replaceable=frozenset(path.absolute() for path in options.replaceable))
    per_block = max(1, min(MAX_BLOCK_PICTURES, len(rows) // (MIN_BLOCKS_PER_WORKER * workers)))
    blocks = -(-len(rows) // per_block)
    tables = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        _Worker,
        fn_constructor_args=(model, options, ray.remote(num_cpus=0, max_restarts=-1)(_Ledger).remote()),
        compute=ray.data.ActorPoolStrategy(size=min(workers, blocks)),
        num_cpus=1,
        batch_size=None,
        batch_format="pyarrow",
    )
    try:
        for table in tables.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in table.to_pylist():
                yield _with_paths_of(pickle.loads(row["result"]), jobs[row["number"]])
    except ray.exceptions.RayError as error:
        raise EdgecolorError(f"Ray: {_last_line(error)}") from error


class _Worker:
    """One interpreter in a process of its own. If it dies, Ray starts another and repeats the block."""

    def __init__(self, model: ModelFile, options: ColoringOptions, ledger: Any) -> None:
        self._colorizer = Colorizer(model, saturation=options.saturation)
        self._options = options
        self._ledger = ledger

    def __call__(self, table: Any) -> Any:
        """Color a block of jobs; return their numbers and pickled results."""
        import pyarrow
        import ray

        rows = table.to_pylist()
        again = ray.get(self._ledger.begin.remote(rows[0]["number"])) > 1
        color = self._color_suspect if again else self._color
        results = publish_results([color(row["number"], _job_of_row(row)) for row in rows], self._options)
        return pyarrow.table({"number": table["number"], "result": [pickle.dumps(r) for r in results]})

    def _color(self, _: int, job: PictureJob) -> PictureResult:
        return color_one(self._colorizer, job, self._options)

    def _color_suspect(self, number: int, job: PictureJob) -> PictureResult:
        """Color a picture of a block whose worker died, unless this picture killed too many workers."""
        import ray

        if ray.get(self._ledger.begin_picture.remote(number)) > MAX_WORKER_DEATHS:
            error = PictureError(
                f"{job.source}: {MAX_WORKER_DEATHS} workers died while they colored this picture"
            )
            return PictureResult(job, error=error)
        result = self._color(number, job)
        ray.get(self._ledger.end_picture.remote(number))
        return result


class _Ledger:
    """An actor beside the workers that counts how often each block and picture was begun."""

    def __init__(self) -> None:
        self._blocks: Counter[int] = Counter()
        self._pictures: Counter[int] = Counter()

    def begin(self, block: int) -> int:
        """Count the start of a block; return how often it was begun."""
        self._blocks[block] += 1
        return self._blocks[block]

    def begin_picture(self, number: int) -> int:
        """Count the start of a picture; return how often it was begun since it last ended."""
        self._pictures[number] += 1
        return self._pictures[number]

    def end_picture(self, number: int) -> None:
        """Forget the starts of a picture that killed no worker."""
        del self._pictures[number]


def _job_of_row(row: Any) -> PictureJob:
    return PictureJob(Path(os.fsdecode(row["source"])), Path(os.fsdecode(row["target"])))


def _with_paths_of(result: PictureResult, job: PictureJob) -> PictureResult:
    """Return the result of a worker with the paths as the user wrote them, in its error message, too."""
    text = str(result.error)
    for named, absolute in ((job.source, result.job.source), (job.target, result.job.target)):
        if text.startswith(f"{absolute}:"):
            text = f"{named}{text.removeprefix(str(absolute))}"
    return replace(result, job=job, error=result.error and type(result.error)(text))


def _last_line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip().splitlines()[-1]
