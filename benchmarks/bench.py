"""Times the runtime on one core: `make bench`, or `python benchmarks/bench.py --help`.

What surrounds the network is given in units of one Pillow YCbCr-to-RGB conversion of the same frame, measured
in the same turns, so that figures from different machines compare. Both count processor time: what the clock
shows on an idle machine, and what other programs disturb less.
"""

from __future__ import annotations

import os

# Before numpy and the interpreter are imported: afterwards they no longer look.
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
from naive import MODULES, measure
from process import start

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
class Report:
    """All figures of one run."""

    machine: dict[str, str]
    model: str
    milliseconds: dict[str, Spread]
    processor: dict[str, Spread]  # the same runs in milliseconds of processor time
    units: dict[str, Spread]  # of one Pillow YCbCr-to-RGB conversion of the frame
    start: dict[str, Spread]  # of a bare process
    left_out: list[str]


def bench(model: str | None, reference: Path, folder: Path, *, turns: int, starts: int) -> Report:
    """Measures everything.

    Args:
        model: an int8 one-file model; None for the shipped one.
        reference: the .keras whose float32 export is timed beside it.
        folder: for temporary files.
        turns: how often each task is timed.
        starts: how many bare processes are started.
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
    taken = in_turns(
        tasks.around(path) | tasks.invokes(models) | tasks.photo_to_photo(path, photograph, result),
        repeats=turns,
    )
    naive = {library: measure(library, max(3, turns // 4)) for library in MODULES}
    left_out += [f"{library}: not installed" for library, found in naive.items() if found is None]
    begun = [start(path, photograph, result) for _ in range(starts)]
    return Report(
        machine=_machine(core) | {"interpreter": Colorizer.open(path).interpreter.name},
        model=path.name,
        milliseconds={name: spread([1000 * t.wall for t in runs]) for name, runs in taken.items()},
        processor={name: spread([1000 * t.processor for t in runs]) for name, runs in taken.items()},
        units={name: ratios(taken[name], taken[tasks.UNIT]) for name in (*tasks.AROUND, tasks.PHOTO)}
        | {
            f"{name}, {library} Lab": value
            for library, found in naive.items()
            for name, value in (found or {}).items()
        },
        start={
            "import to first photo, s": spread([s.to_photo for s in begun]),
            "whole process, s": spread([s.whole for s in begun]),
            "peak resident memory, MB": spread([s.peak for s in begun]),
        },
        left_out=left_out,
    )


class _LeftOutError(Exception):
    """Why a figure cannot be had here."""


def _float32(reference: Path, folder: Path) -> Path:
    if not reference.is_file():
        raise _LeftOutError(f"{reference} is not there; name a .keras with --reference")
    if importlib.util.find_spec("tensorflow") is None:
        raise _LeftOutError(
            "TensorFlow is not installed, and the file is made by exporting: pip install -e '.[train]'"
        )
    out = folder / "float32.tflite"
    export = "import sys; from edgecolor.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [
        "export",
        str(reference),
        "--float32",
        "--calibration",
        str(CALIBRATION),
        "-o",
        str(out),
        "--quiet",
    ]
    done = subprocess.run([sys.executable, "-c", export, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise _LeftOutError(f"the export failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return out


def _model_file(model: str | None) -> Path:
    if model:
        return Path(model)
    if "s" not in SHIPPED:
        raise UsageError("No model is shipped with this runtime: name one with --model.")
    import edgecolor_runtime

    return Path(edgecolor_runtime.__file__).parent / "models" / SHIPPED["s"].file


def _stay_on_one_core() -> str:
    if not hasattr(os, "sched_setaffinity"):
        return "one thread; this system pins no process to a core"
    core = max(os.sched_getaffinity(0))  # the first is where a system's own work tends to land
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


def table(report: Report) -> str:
    """The report for a person."""
    lines = [f"{name:16} {value}" for name, value in report.machine.items()]
    lines += [f"{'model':16} {report.model}", f"{'frame':16} {WIDTH} x {HEIGHT}"]
    for title, rows in (
        ("milliseconds", report.milliseconds),
        ("the same, processor time", report.processor),
        (f"processor time of one {tasks.UNIT}", report.units),
        ("a bare process", report.start),
    ):
        lines += ["", f"{title:46} {'median':>8} {'p10':>8} {'p90':>8}"]
        lines += [f"{name:46} {s.median:8.2f} {s.p10:8.2f} {s.p90:8.2f}" for name, s in rows.items()]
    invoke = {name.split()[1]: s.median for name, s in report.processor.items() if name.startswith("invoke")}
    if {"int8", "float32"} <= set(invoke):
        lines += ["", f"float32 takes {invoke['float32'] / invoke['int8']:.2f} x as long as int8"]
    return "\n".join([*lines, *(f"left out: {reason}" for reason in report.left_out)])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="an exported int8 model (default: the shipped one)")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="the .keras to time in float32")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="few turns: to see that it runs, not to quote")
    chosen = parser.parse_args()
    turns, starts = (QUICK_TURNS, QUICK_STARTS) if chosen.quick else (TURNS, STARTS)
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = bench(chosen.model, chosen.reference, Path(folder), turns=turns, starts=starts)
    except EdgecolorError as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(asdict(report), indent=1) if chosen.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
