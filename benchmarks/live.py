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
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from frame import PHOTOGRAPH
from PIL import Image

from edgecolor_runtime.calm import Calm
from edgecolor_runtime.colorizer import Colorizer
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.frames import Frame
from edgecolor_runtime.jpeg import encode_jpeg
from edgecolor_runtime.live import Live
from edgecolor_runtime.newest import Newest
from edgecolor_runtime.replay import Replay
from edgecolor_runtime.shipped import open_model

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
    feed = Newest(lambda: Replay(Window), name=Window.name)
    latencies: list[float] = []
    memory: list[float] = []
    dropped_before = counted = dropped = 0
    begun = time.monotonic()
    processor = time.process_time()
    for shot in Live(feed, Colorizer(open_model(model)), calm=Calm()):
        encode_jpeg(shot.frame)
        now = time.monotonic()
        dropped = shot.dropped
        if now - begun < START:
            dropped_before = dropped
            continue
        counted += 1
        latencies.append(1000 * (now - shot.seconds))
        if now - begun >= 60 * (len(memory) + 1):
            memory.append(resident())
            print(
                f"{len(memory)} min: {dropped - dropped_before} dropped, {memory[-1]:.1f} MB", file=sys.stderr
            )
        if now - begun >= seconds:
            break
    spent = time.monotonic() - begun
    p50, p90, p99, worst = (round(float(v), 1) for v in np.percentile(latencies, (50, 90, 99, 100)))
    return Report(
        seconds=round(spent, 1),
        frames=counted,
        dropped=dropped - dropped_before,
        latency={"p50": p50, "p90": p90, "p99": p99, "worst": worst},
        processor=round((time.process_time() - processor) / spent, 2),
        memory=memory or [resident()],
    )


def resident() -> float:
    """This process's resident memory, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def table(report: Report) -> str:
    """The report for a person."""
    latency = ", ".join(f"{name} {value:g}" for name, value in report.latency.items())
    return "\n".join(
        [
            f"{report.frames} frames of {WIDTH} x {HEIGHT} in {report.seconds:.0f} s on one core, "
            f"{100 * report.processor:.0f} % of it used",
            f"dropped after the first {START:g} s: {report.dropped}",
            f"latency, ms: {latency} (two frames: {TWO_FRAMES:.1f})",
            f"resident memory, MB, by the minute: {', '.join(f'{value:g}' for value in report.memory)}",
        ]
    )


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
