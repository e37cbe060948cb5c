"""Ten minutes of a live camera on one core: `make bench-live`.

A recording of 640 x 480 at 30 frames a second, a photograph under a moving window, is played by a real clock.
Each frame goes the whole way of `edgecolor run --camera`: one-slot mailbox, network, calm, chroma, JPEG.
Reported are the frames dropped once it had started, the latency from the moment when a frame was due until
its JPEG was there, and the resident memory after every minute.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from frame import PHOTOGRAPH
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.jpeg import encode_jpeg
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.live.loop import LiveLoop
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.latest import LatestFrames
from edgecolor_runtime.sources.playback import Playback

WIDTH, HEIGHT, RATE = 640, 480, 30.0
START = 2.0  # s that are not counted
TWO_FRAMES = 2000 / RATE  # ms
STEPS = 120  # frames of the recording, which is repeated


@dataclass(frozen=True)
class Report:
    """What one run showed; milliseconds, and MB of memory."""

    seconds: float
    frames: int
    dropped: int
    latency: dict[str, float]
    alone: dict[str, float] | None  # latency without the time in which other processes had the core
    processor: float  # share of the core
    memory: list[float]  # at the end of each minute


class Window:
    """A recording: a window that circles over a photograph. A `Source`."""

    name: str = "window over a photograph"
    live: bool = False
    framerate: float | None = RATE

    def __init__(self) -> None:
        with Image.open(PHOTOGRAPH) as photograph:
            self._photograph = photograph.convert("L")
        self._room = self._photograph.width - WIDTH, self._photograph.height - HEIGHT

    def __iter__(self) -> Iterator[Frame]:
        """One circle."""
        for step in range(STEPS):
            angle = 2 * np.pi * step / STEPS
            left, top = (
                round(room / 2 * (1 + turn(angle)))
                for room, turn in zip(self._room, (np.cos, np.sin), strict=True)
            )
            yield Frame(self._photograph.crop((left, top, left + WIDTH, top + HEIGHT)), step / RATE)

    def close(self) -> None:
        """Nothing is held."""


def measure(model: str, seconds: float) -> Report:
    """One run on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    feed = LatestFrames(lambda: Playback(Window), name=Window.name)
    latencies, waits = array("f"), array("f")  # small: what grows is to be seen
    memory: list[float] = []
    dropped_before = dropped = 0
    waited = waiting()
    begun, processor = time.monotonic(), time.process_time()
    for shot in LiveLoop(feed, Colorizer(open_model(model)), stabilizer=Stabilizer()):
        encode_jpeg(shot.frame)
        now, waited_before, waited = time.monotonic(), waited, waiting()
        dropped = shot.dropped
        if now - begun < START:
            dropped_before = dropped
            continue
        latencies.append(1000 * (now - shot.seconds))
        waits.append(1000 * ((waited or 0) - (waited_before or 0)))
        if now - begun >= 60 * (len(memory) + 1):
            memory.append(resident())
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
        memory=memory or [resident()],
    )


def spread(milliseconds: NDArray[np.float32]) -> dict[str, float]:
    """Median, 90th and 99th percentile, and the worst."""
    found = np.percentile(milliseconds, (50, 90, 99, 100))
    return dict(zip(("p50", "p90", "p99", "worst"), (round(float(v), 1) for v in found), strict=True))


def waiting() -> float | None:
    """Seconds in which a thread of this process could have run, and another process had the core.

    The second figure of Linux's schedstat; None where the kernel keeps none.
    """
    try:
        return (
            sum(int(path.read_text().split()[1]) for path in Path("/proc/self/task").glob("*/schedstat"))
            / 1e9
        )
    except (OSError, IndexError):
        return None


def resident() -> float:
    """This process's resident memory, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def table(report: Report) -> str:
    """The report for a person."""
    lines = [
        f"{report.frames} frames of {WIDTH} x {HEIGHT} in {report.seconds:.0f} s on one core, "
        f"{100 * report.processor:.0f} % of it used",
        f"dropped after the first {START:g} s: {report.dropped}",
        f"latency, ms (two frames are {TWO_FRAMES:.1f}): {_row(report.latency)}",
        f"resident memory, MB, by the minute: {', '.join(f'{value:g}' for value in report.memory)}",
    ]
    if report.alone is not None:
        lines.insert(3, f"without the time that other processes had the core: {_row(report.alone)}")
    return "\n".join(lines)


def _row(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in figures.items())


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="s", help="a shipped model's name, or the path of a model file")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", action="store_true", help="print JSON")
    words = parser.parse_args()
    try:
        report = measure(words.model, 60 * words.minutes)
    except EdgecolorError as error:
        print(f"live.py: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(asdict(report), indent=1) if words.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
