"""Compare the engines of `edgecolor run` on one folder: `make bench-ray PHOTOGRAPHS=folder`.

Both engines have the same number of workers. They run alternately, each in a process of its own. Start-up
ends when the first photographs are known to be colored; the rate is that of the photographs after these. The
processor time per photograph counts this process and all of its descendants; other programs on the machine
disturb it less than the wall-clock time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecolor.batch.engines import Engine, load_engine
from edgecolor.batch.plan import ColoringOptions, PictureResult, plan_jobs
from edgecolor.support.child_process import run_program
from edgecolor.support.timing import Spread, spread
from edgecolor_runtime.errors import EdgecolorError, PictureError
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.system import machine

CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SIMULTANEOUS_SECONDS = 0.05  # results this close to the first were colored before it was known


@dataclass(frozen=True)
class EngineRun:
    """One run of an engine.

    Attributes:
        start: seconds until the first photographs were known to be colored.
        rate: photographs per second from then on.
        processor: ms of processor time per photograph from then on.
    """

    start: float
    rate: float
    processor: float


def run_engine(engine: Engine, photographs: list[Path], workers: int, output: Path) -> EngineRun:
    """Color the photographs in this process."""
    jobs = plan_jobs(photographs, output).jobs
    marks: list[tuple[float, float]] = []  # wall-clock and processor seconds at each photograph

    def take_mark(result: PictureResult) -> None:
        if result.error:
            raise result.error
        first_or_last = not marks or len(marks) == len(jobs) - 1
        marks.append((time.perf_counter(), processor_seconds() if first_or_last else 0))

    color_all = load_engine(engine, into_folder=True, workers=None, delegate=None)
    begun = time.perf_counter()
    color_all(open_model("s"), jobs, ColoringOptions(workers, recolor=True, accept_identical=True), take_mark)
    (first, spent_before), (last, spent) = marks[0], marks[-1]
    later = sum(clock > first + SIMULTANEOUS_SECONDS for clock, _ in marks)
    return EngineRun(
        start=first - begun,
        rate=later / (last - first),
        processor=1000 * (spent - spent_before) / later,
    )


def processor_seconds() -> float:
    """Return the processor time of this process and of its descendants, including those that have ended."""
    family = {os.getpid()}
    running = {int(pid): (int(parent), seconds) for pid, parent, seconds in list_processes()}
    while more := {pid for pid, (parent, _) in running.items() if parent in family} - family:
        family |= more
    return sum(running[pid][1] for pid in family)


def list_processes() -> Iterator[tuple[str, str, float]]:
    """Yield number, parent and processor seconds (with those of ended children) of each Linux process."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # the process has just ended
            continue
        yield folder.name, fields[1], sum(map(int, fields[11:15])) / CLOCK_TICKS_PER_SECOND


def compare_engines(folder: Path, count: int, workers: int, turns: int) -> dict[Engine, list[EngineRun]]:
    """Run the engines alternately, each in a new process."""
    runs: dict[Engine, list[EngineRun]] = {engine: [] for engine in Engine}
    for turn in range(turns):
        for engine, engine_runs in runs.items():
            words = [str(folder), "--count", str(count), "--workers", str(workers), "--engine", engine.value]
            result = run_program([sys.executable, __file__, *words])
            result.raise_failure(f"the engine {engine.value}")
            engine_runs.append(EngineRun(**json.loads(result.stdout)))
            print(f"turn {turn + 1}: {engine.value:6} {engine_runs[-1]}", file=sys.stderr)
    return runs


def format_table(runs: dict[Engine, list[EngineRun]]) -> str:
    """Return the table of all runs."""
    lines = [f"{'':38} {'median':>8} {'p10':>8} {'p90':>8}"]

    def add_row(name: str, values: Spread) -> None:
        lines.append(f"{name:38} {values.median:8.2f} {values.p10:8.2f} {values.p90:8.2f}")

    for title, field in (
        ("start-up, s", "start"),
        ("photographs per second", "rate"),
        ("processor, ms per photograph", "processor"),
    ):
        for engine, engine_runs in runs.items():
            add_row(f"{engine.value:6} {title}", spread([getattr(run, field) for run in engine_runs]))
    pairs = list(zip(runs[Engine.RAY], runs[Engine.LOCAL], strict=True))
    add_row("ray / local, time per photograph", spread([local.rate / ray.rate for ray, local in pairs]))
    add_row(
        "ray / local, processor time",
        spread([ray.processor / local.processor for ray, local in pairs]),
    )
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="folder of photographs")
    parser.add_argument("--count", type=int, default=2000, help="number of photographs to color")
    parser.add_argument("--workers", type=int, default=machine.count_cores(), help="workers of each engine")
    parser.add_argument("--turns", type=int, default=3, help="number of runs of each engine")
    parser.add_argument(
        "--engine", choices=[e.value for e in Engine], help="run this engine once; print JSON"
    )
    words = parser.parse_args()
    try:
        if not words.engine:
            print(format_table(compare_engines(words.photographs, words.count, words.workers, words.turns)))
            return 0
        jobs = plan_jobs([words.photographs], Path("unused")).jobs
        photographs = [job.source for job in jobs][: words.count]
        if len(photographs) < words.count:
            raise PictureError(
                f"{words.photographs}: {len(photographs)} photographs; --count asks for {words.count}"
            )
        with tempfile.TemporaryDirectory() as folder:
            run = run_engine(Engine(words.engine), photographs, words.workers, Path(folder))
            print(json.dumps(asdict(run)))
    except EdgecolorError as error:
        print(f"scale_out.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
