"""Measure what colors given by hand are worth: `python benchmarks/hints.py PHOTOGRAPHS [--model m]`.

Each color photograph is colored from its luma. Then hints with its true colors are added one by one: at the
place with the largest error, where a person would click, or at a random place. The figures are the gain of
PSNR (RGB) over the network alone, in dB, with the standard error of the mean, and the share of photographs
that got worse by more than 0.01 dB.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecolor.support.picture_files import find_pictures
from edgecolor_runtime.colors.hints import Hint, HintSet, apply_hints
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.shipped import open_model

CLICKS = (0, 1, 2, 5, 10, 20)
BLOCKS = 14  # a person sees the error of a place, not of a pixel: the picture has 14 x 14 places
SIZES = ((1280, 960), (4000, 3000), (8000, 6000))  # of the timing: 1, 12 and 48 megapixels


def measure_photograph(colorizer: Colorizer, path: Path, *, worst: bool) -> list[float]:
    """Return the PSNR after each number of clicks, in dB."""
    with open_image(path) as opened:
        photograph = opened.convert("RGB")
    true = np.asarray(photograph, np.float32)
    gray = photograph.convert("L")
    seen = colorizer.prepare(gray)
    predicted = colorizer.finish(gray, seen, colorizer.predict(seen))
    generator = np.random.default_rng(1)
    hints: list[Hint] = []
    scores = []
    for clicks in range(max(CLICKS) + 1):
        shown = apply_hints(predicted, block_mean(seen), HintSet(tuple(hints))).to_rgb()
        error = (np.asarray(shown, np.float32) - true) ** 2
        if clicks in CLICKS:
            scores.append(10 * np.log10(255**2 / max(float(error.mean()), 1e-3)))
        taken = {(hint.x, hint.y) for hint in hints}
        places = _worst_places(error) if worst else generator.random((500, 2))
        height, width = error.shape[:2]
        pixels = ((int(x * width), int(y * height)) for x, y in places)
        x, y = next(pixel for pixel in pixels if pixel not in taken)
        around = true[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].reshape(-1, 3).mean(axis=0)
        red, green, blue = (round(float(value)) for value in around)
        hints.append(Hint(x, y, (red, green, blue)))
    return scores


def _worst_places(error: F32) -> NDArray[np.float64]:
    """Return the middle of each place as shares of width and height, the worst place first."""
    height, width = error.shape[:2]
    rows, columns = (
        np.linspace(0, height, BLOCKS + 1, dtype=int),
        np.linspace(0, width, BLOCKS + 1, dtype=int),
    )
    sums = np.add.reduceat(np.add.reduceat(error.sum(axis=-1), rows[:-1], axis=0), columns[:-1], axis=1)
    order = np.argsort(-sums, axis=None)
    return np.stack([order % BLOCKS + 0.5, order // BLOCKS + 0.5], axis=-1) / BLOCKS


def measure_time(colorizer: Colorizer, path: Path, size: tuple[int, int]) -> float:
    """Return the median time of a click on a picture that has been predicted, in milliseconds."""
    with open_image(path) as opened:
        gray = opened.convert("L").resize(size)
    seen = colorizer.prepare(gray)
    predicted = colorizer.finish(gray, seen, colorizer.predict(seen))
    times = []
    for turn in range(7):
        begun = time.process_time()
        hint = Hint(size[0] * (turn + 1) // 9, size[1] // 2, (60, 90, 160))
        apply_hints(predicted, block_mean(seen), HintSet((hint,)))
        times.append(1000 * (time.process_time() - begun))
    return float(np.median(times))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photographs", type=Path, help="folder of color photographs")
    parser.add_argument("--model", default="m", help="name of a shipped model, or path of a model file")
    arguments = parser.parse_args()
    try:
        colorizer = Colorizer(open_model(arguments.model))
        paths = find_pictures(arguments.photographs).files
    except EdgecolorError as error:
        print(f"hints.py: {error}", file=sys.stderr)
        return error.exit_code
    print(f"| {arguments.model}, {len(paths)} photographs |", " | ".join(map(str, CLICKS)), "|")
    print("|---|" + "---|" * len(CLICKS))
    for name, worst in (("worst places", True), ("random places", False)):
        scores = np.array([measure_photograph(colorizer, path, worst=worst) for path in paths])
        gain = scores - scores[:, :1]
        spread = gain.std(axis=0) / np.sqrt(len(paths))
        cells = [f"{mean:.2f} ± {e:.2f}" for mean, e in zip(gain.mean(axis=0), spread, strict=True)]
        print(f"| {name}, dB |", " | ".join(cells), "|")
        worse = 100 * (gain < -0.01).mean(axis=0)
        print(f"| {name}, worse |", " | ".join(f"{share:.0f} %" for share in worse), "|", flush=True)
    for size in SIZES:
        print(f"{size[0]} x {size[1]}: {measure_time(colorizer, paths[0], size):.0f} ms per click")
    return 0


if __name__ == "__main__":
    sys.exit(main())
