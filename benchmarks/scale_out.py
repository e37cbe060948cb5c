"""The two engines of `edgecolor run` on one folder, with equal workers: `make bench-ray PHOTOGRAPHS=folder`.

They take turns, each in a process of its own. Start-up lasts until the first photographs are known to be
colored; from then on until the last one the rate is taken. Beside the clock's there is the processor time of
a photograph, in this process and in all below it: other programs on the machine disturb that less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecolor.batch import local_engine, plan, ray_engine
from edgecolor.support.timing import Spread, spread
from edgecolor_runtime.errors import EdgecolorError, PictureError
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.system import machine

ENGINES = {"local": local_engine.color_all, "ray": ray_engine.color_all}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One run of an engine."""

    start: float  # s until the first photographs were known to be colored
    rate: float  # photographs a second from then on
    processor: float  # ms of processor time for each of them


def once(engine: str, photographs: list[Path], workers: int, output: Path) -> Run:
    """Color the photographs in this process."""
    jobs = plan.plan(photographs, output)
    marks: list[tuple[float, float]] = []  # clock and processor at each photograph

    def note(outcome: plan.Outcome) -> None:
        if outcome.error:
            raise outcome.error
        first_or_last = not marks or len(marks) == len(jobs) - 1
        marks.append((time.perf_counter(), processor() if first_or_last else 0))

    begun = time.perf_counter()
    ENGINES[engine](jobs, open_model("s"), plan.Options(workers, same=True), note)
    (first, spent_before), (last, spent) = marks[0], marks[-1]
    # What became known together with the first was colored before it.
    rest = sum(clock > first + 0.05 for clock, _ in marks)
    return Run(first - begun, rest / (last - first), 1000 * (spent - spent_before) / rest)


def processor() -> float:
    """Seconds of processor time of this process and of all below it, those that have ended included."""
    family = {os.getpid()}
    found = {int(pid): (int(parent), seconds) for pid, parent, seconds in processes()}
    while more := {pid for pid, (parent, _) in found.items() if parent in family} - family:
        family |= more
    return sum(found[pid][1] for pid in family)


def processes() -> Iterator[tuple[str, str, float]]:
    """Number, parent, and seconds of processor time with that of ended children, of each process of Linux."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        yield folder.name, fields[1], sum(map(int, fields[11:15])) / TICK


def measure(folder: Path, count: int, workers: int, turns: int) -> dict[str, list[Run]]:
    """The engines in turns, each in a new process."""
    runs: dict[str, list[Run]] = {engine: [] for engine in ENGINES}
    for turn in range(turns):
        for engine, found in runs.items():
            words = [str(folder), "--count", str(count), "--workers", str(workers), "--engine", engine]
            done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, check=False)
            if done.returncode:
                raise EdgecolorError(f"{engine} failed")
            found.append(Run(**json.loads(done.stdout)))
            print(f"turn {turn + 1}: {engine:6} {found[-1]}", file=sys.stderr)
    return runs


def table(runs: dict[str, list[Run]]) -> str:
    """The runs for a person: median, and the least and most of few turns."""
    lines = [f"{'':38} {'median':>8} {'p10':>8} {'p90':>8}"]

    def row(name: str, values: Spread) -> None:
        lines.append(f"{name:38} {values.median:8.2f} {values.p10:8.2f} {values.p90:8.2f}")

    for name, of in (
        ("start-up, s", "start"),
        ("photographs a second", "rate"),
        ("processor, ms", "processor"),
    ):
        for engine, found in runs.items():
            row(f"{engine:6} {name}", spread([getattr(run, of) for run in found]))
    pairs = list(zip(runs["ray"], runs["local"], strict=True))
    row("ray / local, time of a photograph", spread([local.rate / ray.rate for ray, local in pairs]))
    row(
        "ray / local, processor time of one",
        spread([ray.processor / local.processor for ray, local in pairs]),
    )
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="a folder")
    parser.add_argument("--count", type=int, default=2000, help="photographs to color")
    parser.add_argument("--workers", type=int, default=machine.cores(), help="of each engine")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--engine", choices=list(ENGINES), help="this one alone, once, as JSON")
    words = parser.parse_args()
    try:
        if not words.engine:
            print(table(measure(words.photographs, words.count, words.workers, words.turns)))
            return 0
        found = [job.source for job in plan.plan([words.photographs], Path("unused"))][: words.count]
        if len(found) < words.count:
            raise PictureError(
                f"{words.photographs}: {len(found)} photographs; --count asks for {words.count}"
            )
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asdict(once(words.engine, found, words.workers, Path(folder)))))
    except EdgecolorError as error:
        print(f"scale_out.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
