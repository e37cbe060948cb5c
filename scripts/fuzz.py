"""Feed changed model files and JSON records to edgecolor: each must be accepted, or refused in one line.

    python scripts/fuzz.py --seconds 60
    python scripts/fuzz.py --seconds 600 --only network "bench record" --seed 7

A mutant is a valid file with a few random changes. The target, --seed and the number of the mutant decide
them, so that a mutant can be made again. A child process reads the mutants. A traceback, a crash of the
child, or three minutes without an end is a failure: the exit code is 1, and the first mutant of each failure
is kept in the folder --keep.

A network that the gate accepts also runs in an interpreter, in a process of its own. A crash there is no
failure: for this reason edgecolor tries files from elsewhere in a child. The table counts what happened.

Linux and macOS only: Windows has no fork.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path

from fuzz_targets import Target, make_examples, make_targets

from edgecolor_runtime.errors import EdgecolorError

HANG_SECONDS = 180.0  # on a busy machine, a child may start slowly
SLICE_SECONDS = 1.0  # of one target, before the next has its turn
SHOWN_LINES = 12  # of a traceback

Outcomes = Counter[tuple[str, str]]
"""Name of the target and what happened -> number of mutants."""


@dataclass(frozen=True)
class Fuzzing:
    """What a run does.

    Attributes:
        folder: examples, and room for mutants.
        keep: folder for mutants that fail.
        names: names of the targets; empty for all.
        seed: of the mutants.
        end: time of the monotonic clock.
    """

    folder: Path
    keep: Path
    names: tuple[str, ...]
    seed: int
    end: float

    def targets(self) -> list[Target]:
        """Return the targets, ready to read mutants."""
        return [target for target in make_targets(self.folder) if not self.names or target.name in self.names]

    def make_mutant(self, target: Target, number: int) -> bytes:
        """Return a mutant by its number."""
        return target.mutate(random.Random(f"{self.seed} {target.name} {number}"))

    def keep_mutant(self, target: Target, number: int) -> Path:
        """Write a mutant to the folder of failures."""
        self.keep.mkdir(parents=True, exist_ok=True)
        path = self.keep / f"{target.name.replace(' ', '-')}-{self.seed}-{number}"
        path.write_bytes(self.make_mutant(target, number))
        return path


def read_mutants(fuzzing: Fuzzing, numbers: SynchronizedArray[int], results: Connection) -> None:
    """Read mutants until the end, in the child process.

    Args:
        fuzzing: what to do.
        numbers: for each target the number of its last mutant; at the end, the index of the present target.
        results: takes the outcomes of a slice of time, and texts of failures.
    """
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    targets = fuzzing.targets()
    known: set[str] = set()
    for index, target in cycle(enumerate(targets)):
        numbers[len(targets)] = index
        slice_end = min(fuzzing.end, time.monotonic() + SLICE_SECONDS)
        outcomes: Outcomes = Counter()
        failures = []
        while not outcomes or time.monotonic() < slice_end:
            numbers[index] += 1
            mutant = fuzzing.make_mutant(target, numbers[index])
            try:
                outcome = target.read(mutant) or "accepted"
            except EdgecolorError as error:
                outcome = f"refused with {error.exit_code}"
            except Exception as error:
                outcome = "traceback"
                place = f"{type(error).__name__} at {traceback.extract_tb(error.__traceback__)[-1]}"
                if place not in known:
                    known.add(place)
                    path = fuzzing.keep_mutant(target, numbers[index])
                    lines = traceback.format_exc().splitlines()[-SHOWN_LINES:]
                    failures.append("\n".join([f"{path}: traceback", *lines]))
            outcomes[target.name, outcome] += 1
        results.send((outcomes, failures))
        if time.monotonic() >= fuzzing.end:
            return


def fuzz(fuzzing: Fuzzing, outcomes: Outcomes) -> list[str]:
    """Run children until the end; return the texts of all failures.

    Args:
        fuzzing: what to do.
        outcomes: is filled with what happened.
    """
    context = multiprocessing.get_context("spawn")
    targets = fuzzing.targets()
    numbers = context.Array("q", len(targets) + 1)
    failures: list[str] = []
    while time.monotonic() < fuzzing.end:
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=read_mutants, args=(fuzzing, numbers, sender), daemon=True)
        child.start()
        sender.close()
        fate = _watch(child, receiver, numbers, outcomes=outcomes, failures=failures)
        if fate is not None:
            target = targets[numbers[len(targets)]]
            outcomes[target.name, fate] += 1
            path = fuzzing.keep_mutant(target, numbers[numbers[len(targets)]])
            failures.append(f"{path}: {fate} (exit code {child.exitcode})")
            print(failures[-1], flush=True)
    return failures


def _watch(
    child: multiprocessing.process.BaseProcess,
    receiver: Connection,
    numbers: SynchronizedArray[int],
    *,
    outcomes: Outcomes,
    failures: list[str],
) -> str | None:
    """Collect what a child sends until it ends; return "crash" or "hang" if it did not end by itself."""
    last, changed = numbers[:], time.monotonic()
    while True:
        try:
            if receiver.poll(0.5):
                counted, texts = receiver.recv()
                outcomes.update(counted)
                failures += texts
                for text in texts:
                    print(text, flush=True)
        except EOFError:
            child.join()
            return "crash" if child.exitcode else None
        if numbers[:] != last:
            last, changed = numbers[:], time.monotonic()
        elif time.monotonic() - changed > HANG_SECONDS:
            child.kill()
            child.join()
            return "hang"


def print_table(outcomes: Outcomes) -> None:
    """Print what happened, a line for each kind of file."""
    for name in dict.fromkeys(name for name, _ in outcomes):
        row = {outcome: count for (target, outcome), count in sorted(outcomes.items()) if target == name}
        parts = ", ".join(f"{count:,} {outcome}" for outcome, count in row.items())
        print(f"{name:22}{sum(row.values()):9,} mutants: {parts}")
    print(f"{'all':22}{sum(outcomes.values()):9,} mutants")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz for some time; return 1 if anything failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="TARGET", help="kinds of files (default: all)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the mutants (default: 1)")
    parser.add_argument(
        "--keep", type=Path, default=Path("build/fuzz"), help="folder of failures (default: build/fuzz)"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        make_examples(Path(folder))
        end = time.monotonic() + options.seconds
        fuzzing = Fuzzing(Path(folder), options.keep, names=tuple(options.only), seed=options.seed, end=end)
        names = [target.name for target in make_targets(Path(folder))]
        if unknown := set(options.only) - set(names):
            parser.error(f"--only {unknown.pop()}: expected one of {', '.join(names)}")
        outcomes: Outcomes = Counter()
        failures = fuzz(fuzzing, outcomes)
    print_table(outcomes)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
