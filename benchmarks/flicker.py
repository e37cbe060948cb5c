"""How calm colors are in a video: `python benchmarks/flicker.py [--model s] [--noise 4]`.

Each clip is a photograph of `calibration/` as a camera at 640 x 480 would see it standing still: sensor
noise, and a second photograph, a quarter of the frame, that crosses it. Then the scene cuts to the next.
Flicker is the mean change of ab from frame to frame where the scene stands; the lag is how many frames
after the cut the shown colors are within 2 Lab units of those of each frame alone.
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
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.models.shipped import open_model

CALIBRATION = Path(__file__).parents[1] / "calibration"
SIZE = (640, 480)
CROSSING = (320, 240)  # of what moves
FRAMES = 30  # of a clip, a second
SETTLED = 2.0  # Lab units


def scene(still: Image.Image, crossing: Image.Image, frame: int) -> Image.Image:
    """The scene without noise, at a frame of the clip."""
    picture = still.copy()
    left = round((SIZE[0] + CROSSING[0]) * frame / FRAMES) - CROSSING[0]
    picture.paste(crossing, (left, (SIZE[1] - CROSSING[1]) // 2))
    return picture


def noisy(picture: Image.Image, deviation: float, generator: np.random.Generator) -> Image.Image:
    """What a sensor makes of it."""
    luma = np.asarray(picture, np.float32)
    luma = luma + generator.normal(0, deviation, luma.shape).astype(np.float32)
    return Image.fromarray(np.rint(luma.clip(0, 255)).astype(np.uint8))


def measure(colorizer: Colorizer, photographs: list[Path], deviation: float) -> dict[str, float]:
    """Plays the clips one after another, colors each frame alone and calmly, and measures both."""
    generator, stabilizer = np.random.default_rng(1), Stabilizer()
    changes: dict[str, list[float]] = {"alone": [], "calm": []}
    moving: list[float] = []
    lags: list[int] = []
    pictures = [_gray(path, SIZE) for path in photographs]
    others = [_gray(path, CROSSING) for path in photographs[1:] + photographs[:1]]
    for clip, (still, crossing) in enumerate(zip(pictures, others, strict=True)):
        before: tuple[F32, F32, F32] | None = None
        off = []
        for frame in range(FRAMES):
            clean = scene(still, crossing, frame)
            seen = colorizer.prepare(noisy(clean, deviation, generator))
            alone = colorizer.predict(seen)
            shown = stabilizer.stabilize(seen, alone)
            off.append(float(np.abs(shown - alone).mean()))
            luma = block_mean(colorizer.prepare(clean))
            if before is not None:
                stands = _stands(luma, before[0])
                changes["alone"].append(float(np.abs(alone - before[1])[stands].mean()))
                changes["calm"].append(float(np.abs(shown - before[2])[stands].mean()))
                moving.append(float(np.abs(shown - alone)[~stands].mean()) if not stands.all() else 0.0)
            before = luma, alone, shown
        if clip:  # the first follows nothing
            lags.append(next((i for i, distance in enumerate(off) if distance <= SETTLED), FRAMES))
    each, calmed = (float(np.mean(changes[name])) for name in ("alone", "calm"))
    return {
        "flicker of each frame alone, Lab units": each,
        "flicker, calm, Lab units": calmed,
        "ratio": calmed / each,
        "from each frame alone, where it moves, Lab units": float(np.mean(moving)),
        "frames until settled after a cut, mean": float(np.mean(lags)),
        "frames until settled after a cut, most": float(max(lags)),
    }


def _stands(luma: F32, before: F32) -> NDArray[np.bool_]:
    return np.asarray(np.abs(luma - before) < 0.5)


def _gray(path: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(path) as photograph:
        return ImageOps.fit(photograph.convert("L"), size, Image.Resampling.BICUBIC)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="s", help="a shipped model's name, or a model file")
    parser.add_argument("--noise", type=float, default=4.0, help="standard deviation, in 8-bit steps")
    parser.add_argument("--clips", type=int, default=20, help="how many, of a second each")
    chosen = parser.parse_args()
    try:
        colorizer = Colorizer(open_model(chosen.model))
    except EdgecolorError as error:
        print(f"flicker.py: {error}", file=sys.stderr)
        return error.exit_code
    photographs = sorted(CALIBRATION.glob("*.jpg"))[:: max(1, 142 // chosen.clips)][: chosen.clips]
    print(json.dumps(measure(colorizer, photographs, chosen.noise), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
