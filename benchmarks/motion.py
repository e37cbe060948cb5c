"""Measure how stable colors are in moving pictures: `python benchmarks/motion.py FILM... [--model s]`.

Beside the films, two clips are made from the photographs of `examples/`: "shaking" is a hand-held pan with a
second photograph crossing it and two steps of the exposure; "night" is a slow pan with strong noise.

Each clip is colored frame by frame, stabilized, and stabilized with the network on every third frame. The
true and the gray pictures are measured beside them:

- warp error: mean change of ab along the motion, Lab units. The motion is the optical flow of OpenCV (DIS) in
  the gray pictures, where its forward and its backward flow agree.
- CDC: color distribution consistency, the mean Jensen-Shannon divergence of the 256-bin histograms of R, G
  and B between frames 1, 2 and 4 apart (Liu et al. 2021, arXiv:2110.04562, times 1000 here).
- error: mean distance to the true ab, Lab units.
- time: processor time of the stabilizer per frame, milliseconds.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from frame import PHOTOGRAPH
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgecolor_runtime.colors.spaces import F32, U8, rgb_to_lab
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.preprocess import block_mean, squash
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.models.signature import CHROMA_STRIDE, INPUT_SIZE

PHOTOGRAPHS = PHOTOGRAPH.parent
SIZE = (640, 480)  # size of a frame of the made clips, pixels


@dataclass(frozen=True)
class Clip:
    """Frames of a film, and what does not depend on the colors.

    Attributes:
        name: name of the clip.
        frames: the frames in their own colors, RGB.
        flows: flow from each frame to the one before it, in pixels of the colors, shape (56, 56, 2) each.
        known: where both directions of that flow agree, shape (56, 56) each.
    """

    name: str
    frames: list[U8]
    flows: list[F32]
    known: list[NDArray[np.bool_]]


def read_film(path: Path, count: int) -> list[U8]:
    """Return the first frames of a film, RGB."""
    import av

    frames: list[U8] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            if len(frames) == count:
                break
    return frames


def make_clip(still: str, crossing: str, count: int, *, shake: float, noise: float, step: float) -> list[U8]:
    """Return a pan across a photograph with another one crossing it.

    Args:
        still: name of the photograph of the background.
        crossing: name of the photograph that moves through the frame.
        count: number of frames.
        shake: standard deviation of the camera's shaking, pixels.
        noise: standard deviation of the sensor's noise, levels.
        step: factor of the exposure in the middle third of the clip.
    """
    generator = np.random.default_rng(1)
    ground = np.asarray(_photograph(still, (SIZE[0] * 4 // 3, SIZE[1] * 4 // 3)), np.float32)
    thing = np.asarray(_photograph(crossing, (SIZE[0] // 4, SIZE[1] // 4)), np.float32)
    ones, jitter, frames = np.ones(thing.shape[:2], np.float32), np.zeros(2), []
    for index in range(count):
        turn = index / count
        jitter = 0.7 * jitter + generator.normal(0, shake, 2)
        left = SIZE[0] / 6 * (1 - np.cos(2 * np.pi * turn)) + jitter[0]
        top = SIZE[1] / 6 * (1 + np.sin(2 * np.pi * turn)) + jitter[1]
        place = np.array([[1, 0, left], [0, 1, top]], np.float32)
        frame = cv2.warpAffine(ground, place, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        at = np.array([[1, 0, SIZE[0] * (1.3 * turn - 0.2)], [0, 1, 0.4 * SIZE[1]]], np.float32)
        cover = cv2.warpAffine(ones, at, SIZE)[..., None]
        frame = frame * (1 - cover) + cv2.warpAffine(thing, at, SIZE) * cover
        frame *= step if count / 3 <= index < 2 * count / 3 else 1
        frame += generator.normal(0, noise, (*frame.shape[:2], 1))
        frames.append(np.rint(frame.clip(0, 255)).astype(np.uint8))
    return frames


def measure_motion(name: str, frames: list[U8]) -> Clip:
    """Return a clip with the motion of its gray pictures."""
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    seen = [squash(_gray(frame)) for frame in frames]
    flows, known = [], []
    for before, now in itertools.pairwise(seen):
        back, forth = estimator.calc(now, before, None), estimator.calc(before, now, None)
        returned = back + _sample(forth, back)
        agrees = np.hypot(*np.moveaxis(returned, -1, 0)) < 0.5 + 0.05 * np.hypot(*np.moveaxis(back, -1, 0))
        flows.append(np.moveaxis(block_mean(np.moveaxis(back, -1, 0)), 0, -1) / np.float32(CHROMA_STRIDE))
        known.append(block_mean(agrees.astype(np.float32)) > 0.99)
    return Clip(name, frames, flows, known)


def warp_error(clip: Clip, shown: list[F32]) -> float:
    """Return the mean change of ab along the motion, in Lab units."""
    errors = [
        np.abs(_sample(before, flow) - now)[known]
        for before, now, flow, known in zip(shown, shown[1:], clip.flows, clip.known, strict=False)
    ]
    return float(np.concatenate(errors).mean())


def color_consistency(frames: list[U8]) -> float:
    """Return the color distribution consistency of RGB frames, times 1000."""
    histograms = [
        np.stack([np.bincount(frame[..., channel].ravel(), minlength=256) for channel in range(3)])
        / frame[..., 0].size
        for frame in frames
    ]
    means = [
        np.mean([_divergence(one, other) for one, other in zip(histograms, histograms[gap:], strict=False)])
        for gap in (1, 2, 4)
    ]
    return 1000 * float(np.mean(means))


def measure(clip: Clip, colorizer: Colorizer) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield name, warp error, CDC, error to the true ab, and milliseconds of each way to color the clip."""
    gain = np.float32(colorizer.saturation)
    grays = [_gray(frame) for frame in clip.frames]
    seen = [colorizer.prepare(gray) for gray in grays]
    predicted = [colorizer.predict(luma) for luma in seen]
    true = [_true_ab(frame) for frame in clip.frames]
    yield "true", warp_error(clip, true), color_consistency(clip.frames), 0.0, 0.0
    neutral = [np.zeros_like(ab) for ab in true]
    gray_rgb = [np.repeat(np.asarray(gray)[..., None], 3, axis=-1) for gray in grays]
    yield "gray", 0.0, color_consistency(gray_rgb), _distance(neutral, true), 0.0
    for name, every in (("each frame alone", 0), ("stabilized", 1), ("network on 1 of 3", 3)):
        begun = time.process_time()
        shown = _stabilize(seen, predicted, every) if every else predicted
        milliseconds = 1000 * (time.process_time() - begun) / len(seen)
        colored = [
            np.asarray(colorizer.finish(gray, luma, ab).to_rgb())
            for gray, luma, ab in zip(grays, seen, shown, strict=True)
        ]
        shown = [gain * ab for ab in shown]
        yield name, warp_error(clip, shown), color_consistency(colored), _distance(shown, true), milliseconds


def _stabilize(seen: list[U8], predicted: list[F32], every: int) -> list[F32]:
    stabilizer, shown = Stabilizer(), []
    for index, (luma, ab) in enumerate(zip(seen, predicted, strict=True)):
        carried = stabilizer.carry(luma) if index % every else None
        shown.append(carried if carried is not None else stabilizer.stabilize(luma, ab))
    return shown


def _true_ab(frame: U8) -> F32:
    small = Image.fromarray(frame).resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)
    lab = rgb_to_lab(np.asarray(small))
    return np.moveaxis(block_mean(np.moveaxis(lab[..., 1:], -1, 0)), 0, -1)


def _distance(shown: list[F32], true: list[F32]) -> float:
    return float(np.mean([np.hypot(*np.moveaxis(a - b, -1, 0)) for a, b in zip(shown, true, strict=True)]))


def _divergence(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the mean Jensen-Shannon divergence of the rows, in nats."""
    middle = (one + other) / 2
    entropies = [
        np.sum(rows * np.log(np.divide(rows, middle, where=rows > 0, out=np.ones_like(rows))), axis=1)
        for rows in (one, other)
    ]
    return float(np.mean(entropies))


def _sample(values: F32, flow: F32) -> F32:
    """Return values at each pixel's place plus its flow, both of shape (n, n, 2)."""
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0].astype(np.float32), rows + flow[..., 1].astype(np.float32)
    sampled: F32 = cv2.remap(
        np.ascontiguousarray(values), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return sampled


def _gray(frame: U8) -> Image.Image:
    return Image.fromarray(frame).convert("L")


def _photograph(name: str, size: tuple[int, int]) -> Image.Image:
    with open_image(PHOTOGRAPHS / name) as photograph:
        return ImageOps.fit(photograph.convert("RGB"), size, Image.Resampling.BICUBIC)


def _clips(films: list[Path], count: int) -> Iterator[Clip]:
    for film in films:
        yield measure_motion(film.stem, read_film(film, count))
    shaking = make_clip("kodim23.jpg", "kodim15.jpg", count, shake=1.5, noise=4, step=0.75)
    yield measure_motion("shaking", shaking)
    yield measure_motion("night", make_clip("kodim22.jpg", "kodim04.jpg", count, shake=0.7, noise=12, step=1))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("films", nargs="*", type=Path, help="films in color")
    parser.add_argument("--model", default="s", help="name of a shipped model, or path of a model file")
    parser.add_argument("--frames", type=int, default=100, help="frames of each clip (default: 100)")
    arguments = parser.parse_args()
    try:
        colorizer = Colorizer(open_model(arguments.model))
    except EdgecolorError as error:
        print(f"motion.py: {error}", file=sys.stderr)
        return error.exit_code
    print("| clip | colors | warp error | CDC | error | ms |\n|---|---|---|---|---|---|")
    for clip in _clips(arguments.films, arguments.frames):
        for name, *figures in measure(clip, colorizer):
            print(
                f"| {clip.name} | {name} |",
                " | ".join(f"{figure:.3f}" for figure in figures),
                "|",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
