"""Measure ten minutes of a live camera on one core: `make bench-live`.

A window that moves over a photograph, 640 x 480 at 30 frames per second, is played by a real clock. Each
frame goes through all stages of `edgecolor run --camera`: mailbox, network, stabilizer, chroma, JPEG. The
report has the number of frames dropped after the start, the latency from the moment when a frame was due
until its JPEG was encoded, and the resident memory after each minute.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from frame import PHOTOGRAPH
from numpy.typing import NDArray

from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.images.jpeg import encode_jpeg
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.live.loop import LiveLoop
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.latest import LatestFrames
from edgecolor_runtime.sources.playback import Playback

WIDTH = 640  # pixels
HEIGHT = 480  # pixels
FRAMERATE = 30.0  # frames per second
WARM_UP_SECONDS = 2.0  # not measured
TWO_FRAMES_MS = 2000 / FRAMERATE
RECORDING_FRAMES = 120  # the recording is repeated


@dataclass(frozen=True)
class Report:
    """What one run measured.

    Attributes:
        seconds: duration of the run.
        frames: number of frames measured.
        dropped: number of frames dropped after the start.
        latency: percentiles of the latency, ms.
        alone: the same without the time in which other processes had the core; None if it is unknown.
        processor: share of the core that was used, 0 to 1.
        memory: resident memory at the end of each minute, MB.
    """

    seconds: float
    frames: int
    dropped: int
    latency: dict[str, float]
    alone: dict[str, float] | None
    processor: float
    memory: list[float]


class Window:
    """A source: a window that moves in a circle over a photograph."""

    name: str = "window over a photograph"
    live: bool = False
    framerate: float | None = FRAMERATE
    notes: Sequence[str] = ()
    stamped_at: str = "reading"

    def __init__(self) -> None:
        with open_image(PHOTOGRAPH) as photograph:
            self._photograph = photograph.convert("L")
        self._range = self._photograph.width - WIDTH, self._photograph.height - HEIGHT

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of one circle."""
        for step in range(RECORDING_FRAMES):
            angle = 2 * np.pi * step / RECORDING_FRAMES
            left, top = (
                round(free / 2 * (1 + position(angle)))
                for free, position in zip(self._range, (np.cos, np.sin), strict=True)
            )
            yield Frame(self._photograph.crop((left, top, left + WIDTH, top + HEIGHT)), step / FRAMERATE)

    def close(self) -> None:
        """Do nothing: no device or file is open."""


def measure(model: str, seconds: float) -> Report:
    """Run on one core and return the measurements."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    feed = LatestFrames(lambda: Playback(Window), name=Window.name)
    latencies, waits = array("f"), array("f")  # compact, to keep the process's own memory flat
    memory: list[float] = []
    dropped_before = dropped = 0
    waited = waiting_seconds()
    begun, processor = time.monotonic(), time.process_time()
    for shot in LiveLoop(feed, Colorizer(open_model(model)), stabilizer=Stabilizer()):
        encode_jpeg(shot.frame)
        now, waited_before, waited = time.monotonic(), waited, waiting_seconds()
        dropped = shot.dropped
        if now - begun < WARM_UP_SECONDS:
            dropped_before = dropped
            continue
        latencies.append(1000 * (now - shot.seconds))
        waits.append(1000 * ((waited or 0) - (waited_before or 0)))
        if now - begun >= 60 * (len(memory) + 1):
            memory.append(resident_mb())
            lost = dropped - dropped_before
            print(f"{len(memory)} min: {lost} dropped, {memory[-1]:g} MB", file=sys.stderr, flush=True)
        if now - begun >= seconds:
            break
    spent = time.monotonic() - begun
    alone = np.maximum(np.asarray(latencies) - np.asarray(waits), 0)
    return Report(
        seconds=round(spent, 1),
        frames=len(latencies),
        dropped=dropped - dropped_before,
        latency=spread(np.asarray(latencies)),
        alone=None if waited is None else spread(alone),
        processor=round((time.process_time() - processor) / spent, 2),
        memory=memory or [resident_mb()],
    )


def spread(milliseconds: NDArray[np.float32]) -> dict[str, float]:
    """Return median, 90th and 99th percentile, and the largest value."""
    percentiles = np.percentile(milliseconds, (50, 90, 99, 100))
    return dict(zip(("p50", "p90", "p99", "worst"), (round(float(v), 1) for v in percentiles), strict=True))


def waiting_seconds() -> float | None:
    """Return the seconds in which a thread of this process was ready to run, but had to wait for the core.

    It is the second figure of Linux's schedstat. None if the kernel does not provide it.
    """
    try:
        return (
            sum(int(path.read_text().split()[1]) for path in Path("/proc/self/task").glob("*/schedstat"))
            / 1e9
        )
    except (OSError, IndexError):
        return None


def resident_mb() -> float:
    """Return the resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def table(report: Report) -> str:
    """Return the report as text."""
    lines = [
        f"{report.frames} frames of {WIDTH} x {HEIGHT} in {report.seconds:.0f} s on one core, "
        f"{100 * report.processor:.0f} % of the core used",
        f"dropped after the first {WARM_UP_SECONDS:g} s: {report.dropped}",
        f"latency, ms (two frames are {TWO_FRAMES_MS:.1f}): {_row(report.latency)}",
        f"resident memory per minute, MB: {', '.join(f'{value:g}' for value in report.memory)}",
    ]
    if report.alone is not None:
        lines.insert(
            3, f"latency without the time that other processes had the core, ms: {_row(report.alone)}"
        )
    return "\n".join(lines)


def _row(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in figures.items())


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="s", help="name of a shipped model, or path of a model file")
    parser.add_argument("--minutes", type=float, default=10.0, help="duration of the run (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    try:
        report = measure(arguments.model, 60 * arguments.minutes)
    except EdgecolorError as error:
        print(f"live.py: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(asdict(report), indent=1) if arguments.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
