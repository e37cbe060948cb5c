"""Measures one model with one number of threads: a process of its own, so that its peak memory is its own.

`measure.py` starts `python -m edgecolor.benchmarking.worker JOB`, where JOB is JSON. It prints lines of
JSON: one a second in a sustained run, and at the end the result or the error.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from edgecolor.data.calibration import CHECK_PICTURES
from edgecolor.support.timing import Taken, in_turns, quantile
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.jpeg import encode_gray, encode_jpeg
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.system import machine

STAGES = ("capture", "prepare", "invoke", "finish", "encode")
"""What becomes of a frame: JPEG decoded to luma; to 224 x 224; the network; ab to colors; to JPEG."""

WARM_UP = 20  # runs before those that count


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        model: a shipped model's name, or a path.
        width: of the frame, pixels.
        height: of the frame, pixels.
        runs: timed invocations, and timed frames.
        sustained: seconds of frames without a pause, instead of timed runs; 0: timed runs.
    """

    model: str
    threads: int
    delegate: str | None
    width: int
    height: int
    runs: int
    sustained: float = 0


def measure(job: Job, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measures as told.

    Args:
        job: what.
        tell: is given seconds, frames a second and the median of a frame, once a second of a sustained run.

    Returns:
        With all that was timed in milliseconds, to 1 us, run by run.

    Raises:
        EdgecolorError: the model, the interpreter or the delegate fails.
    """
    begun = time.perf_counter()
    colorizer = Colorizer(open_model(job.model), threads=job.threads, delegate=job.delegate)
    loaded = time.perf_counter() - begun
    stages = _stages(colorizer, camera_frame(job.width, job.height))
    if job.sustained:
        result = _sustain(stages, job.sustained, tell)
    else:
        frames = _timed(stages, job.runs)
        result = {"stages": frames, "invoke": _timed({"invoke": stages["invoke"]}, job.runs)["invoke"]}
    return {
        "threads": job.threads,
        "interpreter": colorizer.interpreter.name,
        "load_ms": round(1000 * loaded, 3),
        "peak_memory_bytes": machine.peak_memory(),
        **result,
    }


def camera_frame(width: int, height: int) -> bytes:
    """A frame as a camera that speaks JPEG sends it: the check set's photographs side by side, in gray."""
    mosaic = Image.new("L", (width, height))
    files = sorted(CHECK_PICTURES.glob("*.jpg"))
    with Image.open(files[0]) as first:
        side = first.width
    places = [(x, y) for y in range(0, height, side) for x in range(0, width, side)]
    for i, place in enumerate(places):
        with Image.open(files[i % len(files)]) as picture:
            mosaic.paste(picture.convert("L"), place)
    return encode_gray(mosaic)


def _stages(colorizer: Colorizer, jpeg: bytes) -> dict[str, Callable[[], None]]:
    """The steps of one frame in their order; each leaves what the next one needs."""
    at: dict[str, Any] = {}

    def capture() -> None:
        with Image.open(io.BytesIO(jpeg)) as image:
            image.load()
            at["gray"] = image

    def prepare() -> None:
        at["seen"] = colorizer.prepare(at["gray"])

    def invoke() -> None:
        at["ab"] = colorizer.predict(at["seen"])

    def finish() -> None:
        at["frame"] = colorizer.finish(at["gray"], at["seen"], at["ab"])

    def encode() -> None:
        encode_jpeg(at["frame"])

    return dict(zip(STAGES, (capture, prepare, invoke, finish, encode), strict=True))


def _timed(tasks: dict[str, Callable[[], None]], runs: int) -> dict[str, list[float]]:
    """Milliseconds of each run of each task, in turns: run i of every stage belongs to frame i."""
    taken: dict[str, list[Taken]] = in_turns(tasks, repeats=WARM_UP + runs)
    return {name: [round(1000 * run.wall, 3) for run in each[WARM_UP:]] for name, each in taken.items()}


def _sustain(
    stages: dict[str, Callable[[], None]], seconds: float, tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Frames as fast as they go, told about once a second."""
    begun = last = time.monotonic()
    total, frames = 0, []
    while last - begun < seconds:
        started = time.perf_counter()
        for step in stages.values():
            step()
        frames.append(time.perf_counter() - started)
        now = time.monotonic()
        if now - last >= 1 or now - begun >= seconds:
            rate, median = len(frames) / (now - last), quantile(sorted(frames), 0.5)
            tell({"seconds": round(now - begun, 2), "fps": round(rate, 2), "p50_ms": round(1000 * median, 3)})
            total, frames, last = total + len(frames), [], now
    return {"seconds": round(last - begun, 2), "frames": total, "fps": round(total / (last - begun), 2)}


def main(argv: Sequence[str]) -> int:
    """The child process."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a delegate prints is none of our lines

    def tell(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=out, flush=True)

    try:
        tell({"result": measure(Job(**json.loads(argv[0])), tell)})
    except EdgecolorError as error:
        tell({"error": {"kind": type(error).__name__, "text": str(error)}})
    return 0


def words(job: Job) -> list[str]:
    """The command that measures a job."""
    return [sys.executable, "-m", "edgecolor.benchmarking.worker", json.dumps(asdict(job))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
