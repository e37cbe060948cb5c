"""Time the runtime on one core: `make bench`, or `python benchmarks/bench.py --help`.

The steps around the network are given in units of one Pillow YCbCr-to-RGB conversion of the same frame,
measured in the same turns. These units make different machines comparable. Both are processor time: on an
idle machine it equals elapsed time, and other programs disturb it less.
"""

from __future__ import annotations

import os

# numpy and the interpreter read these when they are imported.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import tasks
from frame import HEIGHT, WIDTH, gray_jpeg
from naive import MODULES, measure_library
from process import measure_start

from edgecolor.support.timing import Spread, in_turns, ratios, spread
from edgecolor_runtime.errors import EdgecolorError, UsageError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.shipped import SHIPPED
from edgecolor_runtime.system import machine

REFERENCE = Path(__file__).parents[1] / "models" / "s" / "s.keras"
CALIBRATION = REFERENCE.parents[2] / "calibration"
TURNS, STARTS = 60, 7
QUICK_TURNS, QUICK_STARTS = 3, 1


@dataclass(frozen=True)
class RuntimeTimes:
    """All figures of one run.

    Attributes:
        milliseconds: elapsed time by task.
        processor: processor time of the same runs, milliseconds.
        units: processor time in units of one Pillow YCbCr-to-RGB conversion of the frame.
        start: start of a bare process.
        left_out: figures that were not measured, and why.
    """

    machine: dict[str, str]
    model: str
    milliseconds: dict[str, Spread]
    processor: dict[str, Spread]
    units: dict[str, Spread]
    start: dict[str, Spread]
    left_out: list[str]


def measure_runtime(
    model: str | None, reference: Path, folder: Path, *, turns: int, starts: int
) -> RuntimeTimes:
    """Measure all figures.

    Args:
        model: an int8 one-file model; None: the shipped one.
        reference: the .keras whose float32 export is also timed.
        folder: folder for temporary files.
        turns: number of timed runs of each task.
        starts: number of bare processes to start.
    """
    path = _model_file(model)
    models, left_out = {Colorizer.open(path).model.info.precision.value: path}, []
    try:
        models["float32"] = _float32(reference, folder)
    except _LeftOutError as reason:
        left_out.append(f"invoke float32: {reason}")
    core = _stay_on_one_core()

    photograph, result = folder / "gray.jpg", folder / "colored.jpg"
    photograph.write_bytes(gray_jpeg())
    runs = in_turns(
        tasks.frame_tasks(path)
        | tasks.inference_tasks(models)
        | tasks.photograph_task(path, photograph, result),
        repeats=turns,
    )
    naive = {library: measure_library(library, max(3, turns // 4)) for library in MODULES}
    left_out += [
        f"{library}: not installed" for library, library_ratios in naive.items() if library_ratios is None
    ]
    begun = [measure_start(path, photograph, result) for _ in range(starts)]
    return RuntimeTimes(
        machine=_machine(core) | {"interpreter": Colorizer.open(path).interpreter.name},
        model=path.name,
        milliseconds={name: spread([1000 * run.wall for run in each]) for name, each in runs.items()},
        processor={name: spread([1000 * run.processor for run in each]) for name, each in runs.items()},
        units={name: ratios(runs[name], runs[tasks.UNIT]) for name in (*tasks.FRAME_TASKS, tasks.PHOTOGRAPH)}
        | {
            f"{name}, {library} Lab": value
            for library, library_ratios in naive.items()
            for name, value in (library_ratios or {}).items()
        },
        start={
            "import to first photo, s": spread([start.seconds_to_photo for start in begun]),
            "whole process, s": spread([start.seconds_in_all for start in begun]),
            "peak resident memory, MB": spread([start.peak_megabytes for start in begun]),
        },
        left_out=left_out,
    )


class _LeftOutError(Exception):
    """A figure that cannot be measured here; the message says why."""


def _float32(reference: Path, folder: Path) -> Path:
    if not reference.is_file():
        raise _LeftOutError(f"{reference} does not exist; name a .keras with --reference")
    if importlib.util.find_spec("tensorflow") is None:
        raise _LeftOutError("the export needs TensorFlow. Install it with: pip install -e '.[train]'")
    out = folder / "float32.tflite"
    export = "import sys; from edgecolor.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [
        "export",
        str(reference),
        "--float32",
        "--calibration",
        str(CALIBRATION),
        "-o",
        str(out),
        "--quiet",
    ]
    done = subprocess.run(
        [sys.executable, "-c", export, *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise _LeftOutError(f"the export failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return out


def _model_file(model: str | None) -> Path:
    if model:
        return Path(model)
    if "s" not in SHIPPED:
        raise UsageError("This runtime ships no model. Name one with --model.")
    import edgecolor_runtime

    return Path(edgecolor_runtime.__file__).parent / "models" / SHIPPED["s"].file


def _stay_on_one_core() -> str:
    if not hasattr(os, "sched_setaffinity"):
        return "one thread; this system cannot pin a process to a core"
    core = max(os.sched_getaffinity(0))  # the system's own work tends to run on the first core
    os.sched_setaffinity(0, {core})
    return f"core {core}"


def _machine(core: str) -> dict[str, str]:
    return {
        "processor": machine.describe_machine()["cpu"] or platform.machine(),
        "ran on": core,
        "load at the end": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


def table(times: RuntimeTimes) -> str:
    """Return the figures as a table."""
    lines = [f"{name:16} {value}" for name, value in times.machine.items()]
    lines += [f"{'model':16} {times.model}", f"{'frame':16} {WIDTH} x {HEIGHT}"]
    for title, rows in (
        ("milliseconds", times.milliseconds),
        ("the same, processor time", times.processor),
        (f"processor time of one {tasks.UNIT}", times.units),
        ("a bare process", times.start),
    ):
        lines += ["", f"{title:46} {'median':>8} {'p10':>8} {'p90':>8}"]
        lines += [f"{name:46} {s.median:8.2f} {s.p10:8.2f} {s.p90:8.2f}" for name, s in rows.items()]
    invoke = {name.split()[1]: s.median for name, s in times.processor.items() if name.startswith("invoke")}
    if {"int8", "float32"} <= set(invoke):
        lines += ["", f"float32 takes {invoke['float32'] / invoke['int8']:.2f} x as long as int8"]
    return "\n".join([*lines, *(f"left out: {reason}" for reason in times.left_out)])


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="an exported int8 model (default: the shipped one)")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="the .keras to time in float32")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--quick", action="store_true", help="measure few turns, to see that the benchmark runs"
    )
    arguments = parser.parse_args()
    turns, starts = (QUICK_TURNS, QUICK_STARTS) if arguments.quick else (TURNS, STARTS)
    try:
        with tempfile.TemporaryDirectory() as folder:
            times = measure_runtime(
                arguments.model, arguments.reference, Path(folder), turns=turns, starts=starts
            )
    except EdgecolorError as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(asdict(times), indent=1) if arguments.json else table(times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
