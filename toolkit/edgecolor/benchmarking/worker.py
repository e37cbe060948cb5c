"""Measure one model with one number of threads, in a process of its own: its peak memory is its own, too.

`measure.py` runs this module with a `WorkerTask`; see `edgecolor.support.child_process` for the protocol. The
worker sends a `FrameRate` about every second of a continuous run, and at the end the times.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from edgecolor.data.calibration import CHECK_PICTURES
from edgecolor.records.types import STAGES, FrameRate
from edgecolor.support.child_process import answer_request
from edgecolor.support.json_records import from_json, to_json
from edgecolor.support.statistics import quantile
from edgecolor.support.timing import in_turns
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.images.jpeg import encode_gray, encode_jpeg
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.system import machine

WARM_UP = 20  # runs before the timed ones

Task = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class WorkerTask:
    """What to measure.

    Attributes:
        model: path, or name of a shipped model.
        threads: number of CPU threads.
        delegate: `edgetpu`, or the path of a TFLite delegate; None: the CPU.
        width: of the frame, pixels.
        height: of the frame, pixels.
        runs: number of timed inferences, and of timed frames.
        sustained: seconds of a continuous run instead of timed runs; 0: timed runs.
    """

    model: str
    threads: int
    delegate: str | None
    width: int
    height: int
    runs: int = 0
    sustained: float = 0


@dataclass(frozen=True, kw_only=True)
class TimedRuns:
    """Times in milliseconds, to 1 us, run by run.

    Attributes:
        interpreter: library and version.
        load_ms: to load the model.
        peak_memory_bytes: of the process; None if the machine does not report it.
        invoke: inference alone.
        stages: stages of whole frames by name; run i of every stage belongs to frame i.
    """

    interpreter: str
    load_ms: float
    peak_memory_bytes: int | None
    invoke: tuple[float, ...]
    stages: dict[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class ContinuousRun:
    """The totals of a continuous run.

    Attributes:
        peak_memory_bytes: of the process; None if the machine does not report it.
        seconds: duration.
        frames: number of frames.
        fps: frames per second.
    """

    peak_memory_bytes: int | None
    seconds: float
    frames: int
    fps: float


def measure_runs(task: WorkerTask) -> TimedRuns:
    """Time inferences and whole frames.

    Raises:
        EdgecolorError: the model, the interpreter or the delegate fails.
    """
    start = time.perf_counter()
    colorizer = _open_colorizer(task)
    loaded = time.perf_counter() - start
    stages = _frame_stages(colorizer, camera_frame(task.width, task.height))
    frames = _time_tasks(stages, task.runs)
    return TimedRuns(
        interpreter=colorizer.interpreter.name,
        load_ms=round(1000 * loaded, 3),
        invoke=_time_tasks({"invoke": stages["invoke"]}, task.runs)["invoke"],
        stages=frames,
        peak_memory_bytes=machine.read_peak_memory(),
    )


def run_continuously(task: WorkerTask, send: Callable[[FrameRate], None]) -> ContinuousRun:
    """Color frames without a pause.

    Args:
        task: what to measure.
        send: called about once per second.

    Raises:
        EdgecolorError: the model, the interpreter or the delegate fails.
    """
    stages = _frame_stages(_open_colorizer(task), camera_frame(task.width, task.height))
    start = last = time.monotonic()
    total, times = 0, []
    while last - start < task.sustained:
        frame_start = time.perf_counter()
        for run_stage in stages.values():
            run_stage()
        times.append(time.perf_counter() - frame_start)
        now = time.monotonic()
        if now - last >= 1 or now - start >= task.sustained:
            rate, median = len(times) / (now - last), quantile(sorted(times), 0.5)
            send(FrameRate(round(now - start, 2), round(rate, 2), round(1000 * median, 3)))
            total, times, last = total + len(times), [], now
    return ContinuousRun(
        seconds=round(last - start, 2),
        frames=total,
        fps=round(total / (last - start), 2),
        peak_memory_bytes=machine.read_peak_memory(),
    )


def camera_frame(width: int, height: int) -> bytes:
    """Return a gray JPEG frame, as from a camera: the photographs of the check set side by side."""
    mosaic = Image.new("L", (width, height))
    files = sorted(CHECK_PICTURES.glob("*.jpg"))
    with open_image(files[0]) as first:
        side = first.width
    places = [(x, y) for y in range(0, height, side) for x in range(0, width, side)]
    for i, place in enumerate(places):
        with open_image(files[i % len(files)]) as picture:
            mosaic.paste(picture.convert("L"), place)
    return encode_gray(mosaic)


def _open_colorizer(task: WorkerTask) -> Colorizer:
    return Colorizer(open_model(task.model), threads=task.threads, delegate=task.delegate)


def _frame_stages(colorizer: Colorizer, jpeg: bytes) -> dict[str, Task]:
    """Return the stages of one frame in their order; each leaves the input of the next one."""
    state: dict[str, Any] = {}

    def capture() -> None:
        with open_image(io.BytesIO(jpeg)) as image:
            image.load()
            state["gray"] = image

    def prepare() -> None:
        state["input"] = colorizer.prepare(state["gray"])

    def invoke() -> None:
        state["ab"] = colorizer.predict(state["input"])

    def finish() -> None:
        state["frame"] = colorizer.finish(state["gray"], state["input"], state["ab"])

    def encode() -> None:
        encode_jpeg(state["frame"])

    return dict(zip(STAGES, (capture, prepare, invoke, finish, encode), strict=True))


def _time_tasks(tasks: Mapping[str, Task], runs: int) -> dict[str, tuple[float, ...]]:
    """Return the milliseconds of each run of each task; the tasks take turns."""
    timed = in_turns(tasks, repeats=WARM_UP + runs)
    return {name: tuple(round(1000 * run.wall, 3) for run in each[WARM_UP:]) for name, each in timed.items()}


def _answer(request: Any, send: Callable[[object], None]) -> object:
    task = from_json(WorkerTask, request)
    if task.sustained:
        return to_json(run_continuously(task, lambda rate: send(to_json(rate))))
    return to_json(measure_runs(task))


if __name__ == "__main__":
    sys.exit(answer_request(_answer))
