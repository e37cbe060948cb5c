"""Measure the flicker of colors in a video: `python benchmarks/flicker.py [--model s] [--noise 4]`.

Each clip simulates a still camera at 640 x 480: a photograph of `calibration/` with sensor noise, and a
second photograph, a quarter of the frame, that moves across it. Then the scene cuts to the next clip. Flicker
is the mean change of ab from frame to frame where nothing moves. The lag is the number of frames after a cut
until the stabilized colors are within 2 Lab units of the colors that each frame has on its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.models.shipped import open_model

CALIBRATION = Path(__file__).parents[1] / "calibration"
SIZE = (640, 480)  # size of a frame, pixels
CROSSING = (320, 240)  # size of the moving photograph, pixels
FRAMES = 30  # frames of a clip: one second
SETTLED = 2.0  # Lab units


def scene(still: Image.Image, crossing: Image.Image, frame: int) -> Image.Image:
    """Return one frame of the clip, without noise."""
    picture = still.copy()
    left = round((SIZE[0] + CROSSING[0]) * frame / FRAMES) - CROSSING[0]
    picture.paste(crossing, (left, (SIZE[1] - CROSSING[1]) // 2))
    return picture


def noisy(picture: Image.Image, deviation: float, generator: np.random.Generator) -> Image.Image:
    """Return the picture with the noise of a sensor. The deviation is in 8-bit levels."""
    luma = np.asarray(picture, np.float32)
    luma = luma + generator.normal(0, deviation, luma.shape).astype(np.float32)
    return Image.fromarray(np.rint(luma.clip(0, 255)).astype(np.uint8))


def measure(colorizer: Colorizer, photographs: list[Path], deviation: float) -> dict[str, float]:
    """Color all clips, each frame on its own and stabilized, and measure both."""
    generator, stabilizer = np.random.default_rng(1), Stabilizer()
    changes: dict[str, list[float]] = {"alone": [], "calm": []}
    moving: list[float] = []
    lags: list[int] = []
    pictures = [_gray(path, SIZE) for path in photographs]
    others = [_gray(path, CROSSING) for path in photographs[1:] + photographs[:1]]
    for clip, (still, crossing) in enumerate(zip(pictures, others, strict=True)):
        before: tuple[F32, F32, F32] | None = None
        distances = []
        for frame in range(FRAMES):
            clean = scene(still, crossing, frame)
            seen = colorizer.prepare(noisy(clean, deviation, generator))
            alone = colorizer.predict(seen)
            shown = stabilizer.stabilize(seen, alone)
            distances.append(float(np.abs(shown - alone).mean()))
            luma = block_mean(colorizer.prepare(clean))
            if before is not None:
                is_still = _is_still(luma, before[0])
                changes["alone"].append(float(np.abs(alone - before[1])[is_still].mean()))
                changes["calm"].append(float(np.abs(shown - before[2])[is_still].mean()))
                moving.append(float(np.abs(shown - alone)[~is_still].mean()) if not is_still.all() else 0.0)
            before = luma, alone, shown
        if clip:  # there is no cut before the first clip
            lags.append(next((i for i, distance in enumerate(distances) if distance <= SETTLED), FRAMES))
    alone_mean, stabilized_mean = (float(np.mean(changes[name])) for name in ("alone", "calm"))
    return {
        "flicker of each frame alone, Lab units": alone_mean,
        "flicker, calm, Lab units": stabilized_mean,
        "ratio": stabilized_mean / alone_mean,
        "from each frame alone, where it moves, Lab units": float(np.mean(moving)),
        "frames until settled after a cut, mean": float(np.mean(lags)),
        "frames until settled after a cut, most": float(max(lags)),
    }


def _is_still(luma: F32, before: F32) -> NDArray[np.bool_]:
    return np.asarray(np.abs(luma - before) < 0.5)


def _gray(path: Path, size: tuple[int, int]) -> Image.Image:
    with open_image(path) as photograph:
        return ImageOps.fit(photograph.convert("L"), size, Image.Resampling.BICUBIC)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="s", help="name of a shipped model, or path of a model file")
    parser.add_argument(
        "--noise",
        type=float,
        default=4.0,
        help="standard deviation of the noise in 8-bit levels (default: 4)",
    )
    parser.add_argument("--clips", type=int, default=20, help="number of clips of one second (default: 20)")
    arguments = parser.parse_args()
    try:
        colorizer = Colorizer(open_model(arguments.model))
    except EdgecolorError as error:
        print(f"flicker.py: {error}", file=sys.stderr)
        return error.exit_code
    photographs = sorted(CALIBRATION.glob("*.jpg"))[:: max(1, 142 // arguments.clips)][: arguments.clips]
    print(json.dumps(measure(colorizer, photographs, arguments.noise), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
