"""Run `edgecolor check` on changed model files: each run must end by itself, with an exit code of edgecolor.

    python scripts/check_mutants.py --mutants 1000 --seed 1

Half of the mutants are changed anywhere, half outside of the weights. The hashes in a file belong to its
changed network, so that only the gate and the interpreter can object. A network that the gate refuses is not
run: the gate is called in this process. For every other network the command runs as a user runs it.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fuzz_targets import TINY_MODEL, change_bytes, outside_of_weights

from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models import model_file
from edgecolor_runtime.models.flatbuffer import verify_flatbuffer

EXIT_CODES = {0: "intact", 1: "failed", 3: "other outputs", 5: "bad model file"}
TIME_LIMIT = 300.0  # seconds of a command; its own child has 60
CRASHED = "the interpreter crashed on this file"
GATE = "refused by the gate (5)"


def check_file(path: Path) -> tuple[str, bool]:
    """Run the command; return how it ended, and whether that is allowed."""
    command = [sys.executable, "-m", "edgecolor", "check", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "hang", False
    if "Traceback" in done.stderr or done.returncode not in EXIT_CODES:
        return f"exit code {done.returncode}: {done.stderr[-1000:]}", False
    crash = ", the interpreter crashed in the child" if CRASHED in done.stderr else ""
    return f"{EXIT_CODES[done.returncode]} ({done.returncode}){crash}", True


def main(arguments: Sequence[str] | None = None) -> int:
    """Check mutants; return 1 if a command did not end as it should."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=1000, help="number of files (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutants (default: 1)")
    options = parser.parse_args(arguments)
    model = model_file.read(TINY_MODEL)
    structure = outside_of_weights(model.flatbuffer)
    outcomes: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        path = Path(folder) / "mutant.tflite"
        for number in range(options.mutants):
            chance = random.Random(f"{options.seed} {number}")
            mutant = change_bytes(model.flatbuffer, chance, structure if number % 2 else None)
            try:
                path.write_bytes(model_file.pack(mutant, model.info, model.golden))
                verify_flatbuffer(mutant)
            except ModelFileError:
                outcomes[GATE] += 1
                continue
            outcome, is_allowed = check_file(path)
            print(f"mutant {number}: {outcome}", file=sys.stderr, flush=True)
            outcomes[outcome] += 1
            if not is_allowed:
                wrong += 1
                print(f"mutant {number}: {outcome}", flush=True)
    for outcome, count in outcomes.most_common():
        print(f"{count:6} {outcome}")
    print(f"{options.mutants} mutants, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
