"""What normalization gains on faded, dark and mounted pictures: `python benchmarks/faded.py PHOTOGRAPHS`.

Each photograph is made worse in each way of VERSIONS. The network colors it as it is and normalized. The
predicted colors are put on the good photograph at 56 x 56, so the figures show the prediction alone. Printed
is the gain over gray in dB where the pictures of a version together have 56 % of the originals' color (G56),
minus the gain on the good photographs as they are. Differences are paired by photograph.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor.data.photographs import list_photographs
from edgecolor.evaluation import metrics
from edgecolor.evaluation.color_plane import SHARES
from edgecolor.evaluation.evaluator import crop_square
from edgecolor.evaluation.scores import SATURATIONS
from edgecolor_runtime.colors.spaces import F32, U8, lab_to_rgb, lightness_to_gray, rgb_to_lab
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.normalization import WHOLE, Box, Normalization, Tones
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.models.signature import CHROMA_SIZE, CHROMA_STRIDE, INPUT_SIZE

AS_IT_IS = Normalization(WHOLE, Tones(0, 255))
MOUNTED = Box(26, 30, 196, 190)
BARS = Box(0, 28, INPUT_SIZE, INPUT_SIZE - 28)  # a film of 16:9 in a frame of 4:3
WORDS = ("as it is", "normalized")

Numbers = NDArray[np.float64]
Version = Callable[[U8, np.random.Generator], U8]


def squeezed(black: int, white: int, noise: float = 0) -> Version:
    """Return a version whose tones lie between two levels, with noise of a standard deviation in levels."""
    return lambda gray, random: _noisy(black + gray * ((white - black) / 255), noise, random)


def gamma(exponent: float) -> Version:
    """Return a version that is darker or brighter in the middle."""
    return lambda gray, _: _round(255 * (gray / 255) ** exponent)


def fog(gray: U8, _: np.random.Generator) -> U8:
    """Return a picture whose upper part is far away."""
    seen = np.linspace(0.25, 0.75, INPUT_SIZE)[:, None]
    return _round(gray * seen + 215 * (1 - seen))


def bordered(level: int, version: Version, box: Box = MOUNTED) -> Version:
    """Return a version inside a border with the grain of paper."""

    def draw(gray: U8, random: np.random.Generator) -> U8:
        border = Image.fromarray(_noisy(np.full(gray.shape, float(level)), 2, random))
        size = box.right - box.left, box.bottom - box.top
        border.paste(Image.fromarray(version(gray, random)).resize(size, Image.Resampling.BILINEAR), box[:2])
        return np.asarray(border)

    return draw


VERSIONS: dict[str, tuple[Version, Box]] = {
    "good": (squeezed(0, 255), WHOLE),
    "faded, 95..197": (squeezed(95, 197), WHOLE),
    "faded, 60..215": (squeezed(60, 215), WHOLE),
    "dark, 0..115": (squeezed(0, 115), WHOLE),
    "pale, 140..255": (squeezed(140, 255), WHOLE),
    "dark, gamma 2.2": (gamma(2.2), WHOLE),
    "fog": (fog, WHOLE),
    "noise 8": (squeezed(0, 255, 8), WHOLE),
    "faded, noise 5": (squeezed(95, 197, 5), WHOLE),
    "night, 0..60, noise 4": (squeezed(0, 60, 4), WHOLE),
    "black mount": (bordered(4, squeezed(0, 255)), MOUNTED),
    "white mount": (bordered(250, squeezed(0, 255)), MOUNTED),
    "faded, white mount": (bordered(250, squeezed(95, 197)), MOUNTED),
    "faded, paper mount": (bordered(215, squeezed(80, 190)), MOUNTED),
    "bars of a film": (bordered(16, squeezed(0, 255), BARS), BARS),
}


def measure_model(colorizer: Colorizer, photographs: list[U8]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return version -> "as it is" and "normalized" -> mean difference in dB and its standard error."""
    lab = [rgb_to_lab(rgb) for rgb in photographs]
    grays = [lightness_to_gray(each[..., 0]) for each in lab]
    small = [_round(np.moveaxis(block_mean(np.moveaxis(rgb, -1, 0)), 0, -1)) for rgb in photographs]
    reference: Numbers | None = None
    report: dict[str, dict[str, tuple[float, float]]] = {}
    for name, (version, box) in VERSIONS.items():
        pictures = [version(gray, np.random.default_rng(i)) for i, gray in enumerate(grays)]
        report[name] = {}
        for word, normalization in zip(WORDS, (AS_IT_IS, None), strict=True):
            ab = [_cut(colorizer.predict(picture, normalization), box) for picture in pictures]
            gains = _gains(small, [each * np.float32(colorizer.saturation) for each in ab])
            reference = gains if reference is None else reference
            change = gains - reference
            report[name][word] = float(change.mean()), float(change.std(ddof=1) / len(change) ** 0.5)
    return report


def _gains(originals: list[U8], ab: list[F32]) -> Numbers:
    """Return the gain over gray of each photograph in dB, at one saturation for all: that of G56."""
    colorfulness, psnr = np.zeros((2, len(SATURATIONS), len(originals)))
    for i, original in enumerate(originals):
        lightness = rgb_to_lab(original)[..., :1]
        for j, saturation in enumerate(SATURATIONS):
            colored = _round(lab_to_rgb(np.concatenate([lightness, ab[i] * np.float32(saturation)], axis=-1)))
            colorfulness[j, i] = metrics.colorfulness(colored)
            psnr[j, i] = metrics.psnr(colored, original)
    shares = colorfulness.mean(axis=1) / np.mean([metrics.colorfulness(each) for each in originals])
    saturation = np.interp(SHARES["g56"], shares, SATURATIONS)
    return np.array([np.interp(saturation, SATURATIONS, each - each[0]) for each in psnr.T])


def _cut(ab: F32, box: Box) -> F32:
    """Return the colors inside a box as those of a whole picture, shape (56, 56, 2)."""
    if box == WHOLE:
        return ab
    left, top, right, bottom = (side / CHROMA_STRIDE for side in box)
    part = left, top, right, bottom
    planes = (Image.fromarray(ab[..., plane]) for plane in (0, 1))
    size = CHROMA_SIZE, CHROMA_SIZE
    return np.stack([np.asarray(p.resize(size, Image.Resampling.BILINEAR, box=part)) for p in planes], -1)


def _noisy(levels: NDArray[np.floating], deviation: float, random: np.random.Generator) -> U8:
    return _round(levels + random.normal(0, deviation, levels.shape) if deviation else levels)


def _round(levels: NDArray[np.floating]) -> U8:
    return np.asarray(np.rint(levels.clip(0, 255)), dtype=np.uint8)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photographs", type=Path, help="folder of good color photographs")
    parser.add_argument("--model", action="append", help="shipped model or model file (default: s and m)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    try:
        files = list_photographs(arguments.photographs)
        photographs = [crop_square(open_image(file)) for file in files]
        models = {name: Colorizer(open_model(name)) for name in arguments.model or ("s", "m")}
        report = {name: measure_model(colorizer, photographs) for name, colorizer in models.items()}
    except EdgecolorError as error:
        print(f"faded.py: {error}", file=sys.stderr)
        return error.exit_code
    if arguments.json:
        print(json.dumps({"photographs": len(photographs), "models": report}, indent=1))
        return 0
    print(f"{len(photographs)} photographs; G56 minus that of the good ones, dB")
    for name, rows in report.items():
        for version, row in rows.items():
            columns = (f"{word} {row[word][0]:+.2f} +- {row[word][1]:.2f}" for word in WORDS)
            print(f"{name:4} {version:22} {'   '.join(columns)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
