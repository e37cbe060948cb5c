"""How fast models are on this machine, and whether the machine kept its speed while it was asked.

The record is what `bench.schema.json` describes. Each model and number of threads is measured in a process of
its own (`bench_run.py`), while this one looks at temperature, clock, throttling and power. They take
turns, so that what else the machine does in these minutes strikes all alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import edgecolor_runtime
from edgecolor.benchmarking.worker import Job, words
from edgecolor.records.identity import identify_exported
from edgecolor.support.timing import quantile
from edgecolor_runtime import errors
from edgecolor_runtime.errors import EdgecolorError, UsageError
from edgecolor_runtime.system import machine
from edgecolor_runtime.system.machine import cores

SCHEMA = "edgecolor-bench/1"
SCHEMA_FILE = Path(__file__).parents[1] / "records" / "bench.schema.json"
CAPTURE = "a gray JPEG frame, decoded by Pillow"  # what the stage of this name does
TURNS, RUNS_A_TURN = 4, 50  # 200 timed invocations, and 200 timed frames
MOST_THREADS = 4  # tried unless told otherwise: the cores of a Raspberry Pi
BUSY = 0.25  # processors that other programs keep busy; beyond, times are too long
_LOOK = 1.0  # s to see how many they are
SECONDS_A_LINE = 10  # of progress, in a sustained run
LIBRARIES = ("numpy", "pillow", "simplejpeg")  # that the stages of a frame spend their time in

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        threads: numbers of CPU threads, one after another.
        sustained: seconds of frames without a pause, with the last of `threads`; 0 for none.
    """

    threads: tuple[int, ...]
    delegate: str | None
    width: int
    height: int
    sustained: float


def default_threads(delegate: str | None) -> tuple[int, ...]:
    """1 to as many as there are cores for, at most 4; with a delegate, which computes by itself, just 1."""
    return (1,) if delegate else tuple(range(1, min(MOST_THREADS, cores()) + 1))


def bench(models: Sequence[str], options: Options, say: Say, *, root: Path = machine.ROOT) -> dict[str, Any]:
    """Measures models, and watches the machine meanwhile.

    Args:
        models: names of shipped models, or paths.
        options: what to measure.
        say: takes a line of progress.
        root: the folder that stands for `/` where the machine is watched.

    Returns:
        The record.

    Raises:
        UsageError: more threads than cores.
        ModelFileError: a file is no model of ours; before anything is measured.
        MissingError: no interpreter here, or the delegate cannot be loaded.
    """
    refuse_threads(options)
    files = {name: asdict(identify_exported(name)) for name in dict.fromkeys(models)}
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    before, throttled, others = watch(root), machine.throttled(root), _others(root)
    with _held_back(root) as seen:
        runs = _in_turns(list(files), options, say)
        for name, about in files.items():
            interpreters = {run.pop("interpreter") for run in runs[name]}
            about.update(interpreter=interpreters.pop(), runs=runs[name])
            about["sustained"] = _sustained(name, options, say, root) if options.sustained else None
    return {
        "schema": SCHEMA,
        "created_by": f"edgecolor {edgecolor_runtime.__version__}",
        "started": started,
        "machine": machine.identity(root),
        "libraries": libraries(),
        "settings": settings(options),
        "verdict": verdict(throttled, machine.throttled(root), seen),
        "before": before,
        "others": others,
        "after": watch(root),
        "models": list(files.values()),
    }


def refuse_threads(options: Options) -> None:
    """Raise UsageError if there are more of them than cores."""
    if max(options.threads) > cores():
        raise UsageError(f"--threads {max(options.threads)}: this machine has {cores()} cores to compute on.")


def settings(options: Options) -> dict[str, Any]:
    """What a record says of how it was made."""
    return asdict(options) | {"threads": list(options.threads), "capture": CAPTURE}


def libraries() -> dict[str, str | None]:
    """The versions of LIBRARIES here; None for one that is not installed."""
    return {name: _version(name) for name in LIBRARIES}


def _in_turns(names: Sequence[str], options: Options, say: Say) -> dict[str, list[dict[str, Any]]]:
    """What `bench.schema.json` calls runs, by model: each number of threads, measured in several turns."""
    taken: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for turn in range(1, TURNS + 1):
        say(f"turn {turn} of {TURNS}")
        for name in names:
            for threads in options.threads:
                job = Job(name, threads, options.delegate, options.width, options.height, RUNS_A_TURN)
                taken.setdefault((name, threads), []).append(_measured(job))
    return {name: [_joined(taken[name, threads]) for threads in options.threads] for name in names}


def _joined(turns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    stages = {
        name: [sample for turn in turns for sample in turn["stages"][name]] for name in turns[0]["stages"]
    }
    whole = [sum(parts) for parts in zip(*stages.values(), strict=True)]
    return {
        "threads": turns[0]["threads"],
        "interpreter": turns[0]["interpreter"],
        "load_ms": turns[0]["load_ms"],  # of the first: later ones find the file in memory
        "peak_memory_bytes": max(turn["peak_memory_bytes"] or 0 for turn in turns) or None,
        "invoke": series([sample for turn in turns for sample in turn["invoke"]]),
        "frame": {"total": series(whole), "stages": {name: series(taken) for name, taken in stages.items()}},
    }


def series(samples: Sequence[float]) -> dict[str, Any]:
    """Milliseconds described: quantiles, extremes, and each sample, to 1 us."""
    ordered = sorted(samples)
    quantiles = {f"p{q}": quantile(ordered, q / 100) for q in (10, 50, 90, 99)}
    told = {**quantiles, "min": ordered[0], "max": ordered[-1]}
    return {
        "count": len(ordered),
        **{name: round(value, 3) for name, value in told.items()},
        "samples_ms": [round(sample, 3) for sample in samples],
    }


def watch(root: Path = machine.ROOT) -> dict[str, Any]:
    """How the machine fares at this moment; None where it does not say."""
    clock, throttled, power = machine.clock(root), machine.throttled(root), machine.power(root)
    return {
        "temperature_c": machine.temperature(root),
        "clock_mhz": clock and clock.now,
        "governor": clock and clock.governor,
        "throttled": None if throttled is None else list(throttled.now),
        "power_w": power and round(power.watts, 3),
    }


def _others(root: Path) -> float | None:
    """How many processors other programs keep busy: counted while this one sleeps.

    The system's load would be a mean over minutes, with what this program itself did before in it.
    """
    first = machine.busy_seconds(root)
    if first is None:
        return None
    begun = time.monotonic()
    time.sleep(_LOOK)
    last = machine.busy_seconds(root)
    return None if last is None else round((last - first) / (time.monotonic() - begun), 2)


@contextmanager
def _held_back(root: Path) -> Iterator[set[str]]:
    """What holds the board back meanwhile, looked at once a second: a set that grows."""
    seen: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while (found := machine.throttled(root)) is not None:
            seen.update(found.now)
            if done.wait(1):
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def verdict(
    before: machine.Throttling | None, after: machine.Throttling | None, between: Iterable[str]
) -> dict[str, Any]:
    """Whether the figures are the machine's own.

    Args:
        before: what the machine said before the first run.
        after: and after the last.
        between: what held it back in between, wherever one looked.

    Returns:
        "result": "valid", "void" where the board was held back, or "unknown" where it does not say;
        "because": what held it back.
    """
    if before is None or after is None:
        return {"result": "unknown", "because": []}
    # What is noted since boot shows as well what happened between two looks; but only the first time.
    seen = {*before.now, *between, *after.now, *(set(after.since_boot) - set(before.since_boot))}
    because = [name for name in machine.THROTTLING if name in seen]
    return {"result": "void" if because else "valid", "because": because}


def _sustained(name: str, options: Options, say: Say, root: Path) -> dict[str, Any]:
    threads = options.threads[-1]
    job = Job(name, threads, options.delegate, options.width, options.height, 0, options.sustained)
    samples: list[dict[str, Any]] = []

    def second(line: dict[str, Any]) -> None:
        samples.append(line | watch(root))
        if len(samples) % SECONDS_A_LINE == 0:
            say(f"{job.model}: {_second(samples[-1])}")

    say(f"{job.model}: {job.sustained:g} s of frames without a pause, {_threads(job.threads)}")
    result = _measured(job, second)
    kept = ("threads", "seconds", "frames", "fps", "peak_memory_bytes")
    return {name: result[name] for name in kept} | {"samples": samples}


def _second(state: dict[str, Any]) -> str:
    parts = [f"{state['seconds']:.0f} s", f"{state['fps']:.1f} frames/s"]
    parts += [f"{state['temperature_c']:.0f} C"] if state["temperature_c"] is not None else []
    parts += [f"{state['clock_mhz']:.0f} MHz"] if state["clock_mhz"] is not None else []
    return ", ".join([*parts, *(state["throttled"] or ())])


def _measured(job: Job, each: Callable[[dict[str, Any]], None] = lambda line: None) -> dict[str, Any]:
    """The child's result; `each` gets what it says before, line by line."""
    safe = {"PYTHONSAFEPATH": "1"}  # a numpy.py in the user's folder is not imported for numpy
    with (
        tempfile.TemporaryFile("w+", errors="replace") as stderr,
        subprocess.Popen(
            words(job), stdout=subprocess.PIPE, stderr=stderr, text=True, env=os.environ | safe
        ) as child,
    ):
        assert child.stdout is not None
        try:
            for line in map(json.loads, child.stdout):
                if "error" in line:
                    raise getattr(errors, line["error"]["kind"])(line["error"]["text"])
                if "result" in line:
                    result: dict[str, Any] = line["result"]
                    return result
                each(line)
            code = child.wait()
        finally:
            child.kill()  # nothing to an ended one; else nobody needs it any more
            child.wait()
        stderr.seek(0)
        last = (stderr.read().strip().splitlines() or ["it said nothing"])[-1]
    raise EdgecolorError(f"{job.model}: the measuring process ended with {code}: {last}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
