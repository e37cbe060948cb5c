"""Measure how fast models are on this machine, and whether the machine kept its full speed meanwhile.

Each model and number of threads is measured in a process of its own (`worker.py`). This process watches
temperature, clock, throttling and power. The models take turns. Therefore background load slows all alike.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from edgecolor.benchmarking.worker import ContinuousRun, TimedRuns, WorkerTask
from edgecolor.records.identity import identify_exported
from edgecolor.records.types import (
    BenchedModel,
    BenchRecord,
    BenchRun,
    BenchSettings,
    BenchVerdict,
    FrameRate,
    FrameTimes,
    MachineIdentity,
    MachineState,
    Series,
    StageTimes,
    SustainedRun,
    SustainedSample,
    Verdict,
    created_by,
)
from edgecolor.support.child_process import run_module
from edgecolor.support.json_records import from_json, to_json
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor.support.statistics import quantile
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.system import machine
from edgecolor_runtime.system.machine import count_cores

WORKER = "edgecolor.benchmarking.worker"
ROUNDS, RUNS_PER_ROUND = 4, 50  # 200 timed inferences, and 200 timed frames
MAX_DEFAULT_THREADS = 4  # the cores of a Raspberry Pi
LOAD_SECONDS = 1.0  # for which the load of other programs is measured
SECONDS_PER_LINE = 10  # of progress, in a continuous run
LIBRARIES = ("numpy", "pillow", "simplejpeg")  # the stages of a frame spend their time in these


def bench(
    models: Sequence[str | Path],
    *,
    threads: Sequence[int] = (),
    delegate: str | None = None,
    width: int = 640,
    height: int = 480,
    sustained: float = 0,
    on_progress: PrintLine = print_nothing,
) -> BenchRecord:
    """Measure models on this machine: inference alone, a whole frame and its stages, peak memory.

    Args:
        models: model files, or names of shipped models.
        threads: numbers of CPU threads (default: 1 to 4, at most the number of cores; with a delegate, 1).
        delegate: `edgetpu`, or the path of a TFLite delegate (default: the CPU).
        width: of a frame, pixels.
        height: of a frame, pixels.
        sustained: seconds of an additional continuous run, with the last number of threads; 0: none.
        on_progress: called with lines of progress.

    Raises:
        UsageError: there are more threads than cores.
        ModelFileError: a file is not a model; raised before anything is measured.
        MissingError: no interpreter is installed, or the delegate cannot be loaded.
    """
    settings = bench_settings(
        threads=threads, delegate=delegate, width=width, height=height, sustained=sustained
    )
    return bench_with(models, settings, on_progress=on_progress)


def bench_settings(
    *, threads: Sequence[int], delegate: str | None, width: int, height: int, sustained: float = 0
) -> BenchSettings:
    """Return settings with the default numbers of threads filled in.

    Raises:
        UsageError: there are more threads than cores.
    """
    numbers = tuple(dict.fromkeys(threads)) or _default_threads(delegate)
    if max(numbers) > count_cores():
        raise UsageError(
            f"--threads {max(numbers)}: this machine has {count_cores()} cores. "
            f"Use at most {count_cores()} threads."
        )
    return BenchSettings(numbers, delegate, width=width, height=height, sustained=sustained)


def _default_threads(delegate: str | None) -> tuple[int, ...]:
    return (1,) if delegate else tuple(range(1, min(MAX_DEFAULT_THREADS, count_cores()) + 1))


def bench_with(
    models: Sequence[str | Path],
    settings: BenchSettings,
    *,
    on_progress: PrintLine = print_nothing,
    root: Path = machine.ROOT,
) -> BenchRecord:
    """Measure models with settings; see `bench`.

    Args:
        models: model files, or names of shipped models.
        settings: what to measure.
        on_progress: called with lines of progress.
        root: folder that stands for `/` when the machine is watched.
    """
    files = {name: identify_exported(name) for name in dict.fromkeys(map(str, models))}
    started = datetime.now(timezone.utc).replace(microsecond=0)
    before, throttled_before = read_state(root), machine.read_throttling(root)
    others = _processors_of_others(root)
    benched: list[BenchedModel] = []
    with _watch_throttling(root) as causes:
        timed = _time_in_rounds(list(files), settings, on_progress)
        for name, file in files.items():
            runs = timed[name]
            benched.append(
                BenchedModel(
                    file=file,
                    interpreter=runs[0][0].interpreter,
                    runs=tuple(
                        _join_rounds(count, rounds)
                        for count, rounds in zip(settings.threads, runs, strict=True)
                    ),
                    sustained=_run_sustained(name, settings, on_progress, root)
                    if settings.sustained
                    else None,
                )
            )
    return BenchRecord(
        created_by=created_by(),
        started=started,
        machine=this_machine(root),
        libraries=library_versions(),
        settings=settings,
        verdict=judge_throttling(throttled_before, machine.read_throttling(root), causes),
        before=before,
        others=others,
        after=read_state(root),
        models=tuple(benched),
    )


def this_machine(root: Path = machine.ROOT) -> MachineIdentity:
    """Return the identity of this machine."""
    return MachineIdentity(**machine.describe_machine(root))


def library_versions() -> dict[str, str | None]:
    """Return the installed versions of LIBRARIES; None for a library that is not installed."""
    return {name: _version(name) for name in LIBRARIES}


def _time_in_rounds(
    names: Sequence[str], settings: BenchSettings, on_progress: PrintLine
) -> dict[str, list[list[TimedRuns]]]:
    """Return, for each model and each number of threads, the times of every round."""
    timed: dict[str, list[list[TimedRuns]]] = {name: [[] for _ in settings.threads] for name in names}
    for number in range(1, ROUNDS + 1):
        on_progress(f"round {number} of {ROUNDS}")
        for name in names:
            for threads, rounds in zip(settings.threads, timed[name], strict=True):
                task = replace(_task(name, settings), threads=threads, runs=RUNS_PER_ROUND)
                result = run_module(WORKER, to_json(task), what=f"{name}: the measuring process")
                rounds.append(from_json(TimedRuns, result))
    return timed


def _task(name: str, settings: BenchSettings) -> WorkerTask:
    return WorkerTask(
        model=name,
        threads=settings.threads[-1],
        delegate=settings.delegate,
        width=settings.width,
        height=settings.height,
    )


def _join_rounds(threads: int, rounds: Sequence[TimedRuns]) -> BenchRun:
    stages = {name: [sample for each in rounds for sample in each.stages[name]] for name in rounds[0].stages}
    frames = [sum(parts) for parts in zip(*stages.values(), strict=True)]
    return BenchRun(
        threads=threads,
        load_ms=rounds[0].load_ms,  # later rounds find the file in memory
        peak_memory_bytes=max(each.peak_memory_bytes or 0 for each in rounds) or None,
        invoke=describe_series([sample for each in rounds for sample in each.invoke]),
        frame=FrameTimes(
            total=describe_series(frames),
            stages=StageTimes(**{name: describe_series(samples) for name, samples in stages.items()}),
        ),
    )


def describe_series(samples: Sequence[float]) -> Series:
    """Return milliseconds with their quantiles and extremes, to 1 us."""
    ordered = sorted(samples)
    p10, p50, p90, p99 = (round(quantile(ordered, q / 100), 3) for q in (10, 50, 90, 99))
    return Series(
        count=len(ordered),
        p10=p10,
        p50=p50,
        p90=p90,
        p99=p99,
        min=round(ordered[0], 3),
        max=round(ordered[-1], 3),
        samples_ms=tuple(round(sample, 3) for sample in samples),
    )


def read_state(root: Path = machine.ROOT) -> MachineState:
    """Return the state of the machine at this moment."""
    clock, throttled, power = (
        machine.read_clock(root),
        machine.read_throttling(root),
        machine.read_power(root),
    )
    return MachineState(
        temperature_c=machine.read_temperature(root),
        clock_mhz=clock.now if clock else None,
        governor=clock.governor if clock else None,
        throttled=throttled.now if throttled else None,
        power_w=round(power.watts, 3) if power else None,
    )


def _processors_of_others(root: Path) -> float | None:
    """Return how many processors other programs keep busy, measured while this process sleeps.

    The load average of the system covers minutes, and includes what this process did before.
    """
    first = machine.read_busy_seconds(root)
    if first is None:
        return None
    start = time.monotonic()
    time.sleep(LOAD_SECONDS)
    last = machine.read_busy_seconds(root)
    return None if last is None else round((last - first) / (time.monotonic() - start), 2)


@contextmanager
def _watch_throttling(root: Path) -> Iterator[set[str]]:
    """Look once per second at what throttles the board; yields the set of causes, which grows."""
    causes: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while (throttling := machine.read_throttling(root)) is not None:
            causes.update(throttling.now)
            if done.wait(1):
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield causes
    finally:
        done.set()
        watcher.join()


def judge_throttling(
    before: machine.Throttling | None, after: machine.Throttling | None, between: Iterable[str]
) -> BenchVerdict:
    """Return whether the times are those of the machine at full speed.

    Args:
        before: throttling before the first run; None if the machine does not report it.
        after: throttling after the last run.
        between: causes seen in between.
    """
    if before is None or after is None:
        return BenchVerdict(Verdict.UNKNOWN, ())
    # The causes since boot include what happened between two looks; but each is noted only once.
    new_since_boot = set(after.since_boot) - set(before.since_boot)
    causes = {*before.now, *between, *after.now, *new_since_boot}
    because = tuple(name for name in machine.THROTTLING if name in causes)
    return BenchVerdict(Verdict.VOID if because else Verdict.VALID, because)


def _run_sustained(name: str, settings: BenchSettings, on_progress: PrintLine, root: Path) -> SustainedRun:
    task = replace(_task(name, settings), sustained=settings.sustained)
    samples: list[SustainedSample] = []

    def keep(record: dict[str, object]) -> None:
        samples.append(SustainedSample(from_json(FrameRate, record), read_state(root)))
        if len(samples) % SECONDS_PER_LINE == 0:
            on_progress(f"{name}: {_sample_text(samples[-1])}")

    on_progress(f"{name}: {task.sustained:g} s of frames without a pause, {_threads_text(task.threads)}")
    result = run_module(WORKER, to_json(task), what=f"{name}: the measuring process", on_record=keep)
    totals = from_json(ContinuousRun, result)
    return SustainedRun(
        threads=task.threads,
        seconds=totals.seconds,
        frames=totals.frames,
        fps=totals.fps,
        peak_memory_bytes=totals.peak_memory_bytes,
        samples=tuple(samples),
    )


def _sample_text(sample: SustainedSample) -> str:
    rate, state = sample.rate, sample.state
    parts = [f"{rate.seconds:.0f} s", f"{rate.fps:.1f} frames per second"]
    parts += [f"{state.temperature_c:.0f} C"] if state.temperature_c is not None else []
    parts += [f"{state.clock_mhz:.0f} MHz"] if state.clock_mhz is not None else []
    return ", ".join([*parts, *(state.throttled or ())])


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _threads_text(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
