"""How far chroma bleeds over edges: `python benchmarks/edges.py PHOTOGRAPHS [--model s]`.

The benchmark compares guided with bilinear upsampling, photograph by photograph. The error is the mean
distance of (Cb, Cr) from the original within 2 pixels of strong luma edges. With the network's colors most
of the error is wrong color, not bleeding. Therefore the true colors are upsampled, too: from 56 x 56, and
from 14 x 14, whose pixels are as far apart in a photograph of 256 pixels as those of 56 x 56 in a frame of
1280 x 720.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgecolor.data.photographs import list_photographs
from edgecolor_runtime.colors import upsampling
from edgecolor_runtime.colors.spaces import F32, NEUTRAL, U8, rgb_to_chroma
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.preprocess import block_mean
from edgecolor_runtime.models.shipped import open_model
from edgecolor_runtime.models.signature import INPUT_SIZE

MIN_EDGE_STEP = 40  # levels of luma from one pixel to the next
EDGE_REACH = 2  # pixels on either side of an edge
COARSE_FACTOR = 4  # from 56 x 56 to 14 x 14


def find_edges(luma: U8) -> NDArray[np.bool_]:
    """Return which pixels are within EDGE_REACH of a strong edge, shape (h, w)."""
    down, right = np.gradient(luma.astype(np.float32))
    strong = Image.fromarray((np.hypot(down, right) >= MIN_EDGE_STEP).astype(np.uint8))
    return np.asarray(strong.filter(ImageFilter.MaxFilter(2 * EDGE_REACH + 1))) > 0


def measure_errors(photograph: Image.Image, colorizer: Colorizer) -> dict[str, tuple[float, float]] | None:
    """Return the bilinear and guided error for each source of colors; None without strong edges."""
    gray = photograph.convert("L")
    luma = np.asarray(gray)
    near = find_edges(luma)
    if not near.any():
        return None
    true = rgb_to_chroma(np.asarray(photograph, np.float32))
    network_input = colorizer.prepare(gray)
    small = photograph.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR, reducing_gap=1.0)
    true_colors = _shrink(rgb_to_chroma(np.asarray(small, np.float32)))
    sources = {
        "network": (colorizer.colorize(gray).chroma, block_mean(network_input)),
        "true, 56 x 56": (true_colors, block_mean(network_input)),
        "true, 14 x 14": (_shrink(true_colors), block_mean(block_mean(network_input), COARSE_FACTOR)),
    }

    def error(colors: F32, guide: F32 | None) -> float:
        planes = np.stack(upsampling.upsample_chroma(colors, luma, luma, guide), axis=-1).astype(np.float32)
        return float(np.linalg.norm(planes - NEUTRAL - true, axis=-1)[near].mean())

    return {name: (error(colors, None), error(colors, low)) for name, (colors, low) in sources.items()}


def _shrink(planes: F32) -> F32:
    return np.moveaxis(block_mean(np.moveaxis(planes, -1, 0), COARSE_FACTOR), 0, -1)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photographs", type=Path, help="folder of photographs")
    parser.add_argument("--model", default="s", help="name of a shipped model, or a model file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    try:
        colorizer = Colorizer(open_model(arguments.model))
        files = list_photographs(arguments.photographs)
        measured = [measure_errors(open_image(file).convert("RGB"), colorizer) for file in files]
    except EdgecolorError as error:
        print(f"edges.py: {error}", file=sys.stderr)
        return error.exit_code
    with_edges = [one for one in measured if one is not None]
    report: dict[str, object] = {
        "photographs": len(with_edges),
        "without strong edges": len(files) - len(with_edges),
    }
    for name in with_edges[0] if with_edges else ():
        bilinear, guided = np.array([one[name] for one in with_edges]).T
        change = guided - bilinear
        report[name] = {
            "bilinear": bilinear.mean(),
            "guided": guided.mean(),
            "change": change.mean(),
            "standard error": change.std(ddof=1) / len(with_edges) ** 0.5,
        }
    if arguments.json:
        print(json.dumps(report, indent=1))
        return 0
    print(f"{len(with_edges)} photographs with strong edges, {len(files) - len(with_edges)} without")
    for name, row in report.items():
        if isinstance(row, dict):
            share = row["change"] / row["bilinear"]
            change = f"{row['change']:+.3f} +- {row['standard error']:.3f} ({share:+.1%})"
            print(f"{name:14} bilinear {row['bilinear']:6.2f}  guided {row['guided']:6.2f}  {change}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
