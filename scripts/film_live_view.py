"""Make the film at the top of the README's section "Live": gray beside color, an animated WebP file.

    python scripts/film_live_view.py docs/live.webp

The camera moves over photographs of calibration/ that are in the public domain (CC0-1.0). `edgecolor run`
colors the gray frames as it colors those of a video, with the model m.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edgecolor_runtime.images.formats import open_image

CALIBRATION = Path(__file__).parents[1] / "calibration"

SCENES = {
    "158.jpg": ((0, 0, 224, 168), (40, 56, 200, 176)),
    "131.jpg": ((24, 44, 200, 176), (0, 20, 224, 188)),
    "164.jpg": ((0, 28, 224, 196), (30, 20, 206, 152)),
    "119.jpg": ((0, 76, 176, 208), (48, 30, 224, 162)),
}
"""Photograph -> the view at its begin and at its end: left, top, right, bottom in pixels, 4 by 3."""

WIDTH, HEIGHT = 320, 240  # of each half
FRAMES_PER_SCENE = 22
FRAMES_PER_SECOND = 11
QUALITY = 55
LABELS = ("camera", "edgecolor")


def move_camera() -> Iterator[Image.Image]:
    """Yield the gray frames of all scenes, mode L."""
    for name, views in SCENES.items():
        first, last = np.array(views, float)
        with open_image(CALIBRATION / name) as photograph:
            gray = photograph.convert("L")
        for number in range(FRAMES_PER_SCENE):
            left, top, right, bottom = first + (last - first) * number / (FRAMES_PER_SCENE - 1)
            yield gray.resize(
                (WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=(left, top, right, bottom), reducing_gap=None
            )


def write_film(frames: list[Image.Image], path: Path) -> None:
    """Write gray frames without loss."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame), "gray")))
        film.mux(stream.encode())


def join_halves(gray: Image.Image, colored: Image.Image) -> Image.Image:
    """Return the gray frame on the left and the colored frame on the right, each with its label."""
    both = Image.new("RGB", (2 * WIDTH, HEIGHT))
    both.paste(gray, (0, 0))
    both.paste(colored, (WIDTH, 0))
    draw, font = ImageDraw.Draw(both), ImageFont.load_default(size=15)
    for label, left in zip(LABELS, (0, WIDTH), strict=True):
        draw.text((left + 8, 6), label, fill="white", font=font, stroke_width=2, stroke_fill="black")
    return both


def main(output: Path) -> None:
    """Color the frames and write the film."""
    frames = list(move_camera())
    with tempfile.TemporaryDirectory() as folder:
        film, pictures = Path(folder, "gray.mkv"), Path(folder, "colored")
        write_film(frames, film)
        command = ["run", str(film), "-o", str(pictures), "--model", "m", "--quiet"]
        subprocess.run([sys.executable, "-m", "edgecolor", *command], stdout=subprocess.DEVNULL, check=True)
        files = sorted(pictures.glob("*.jpg"))
        halves = [join_halves(gray, open_image(file)) for gray, file in zip(frames, files, strict=True)]
    halves[0].save(
        output,
        save_all=True,
        append_images=halves[1:],
        duration=1000 // FRAMES_PER_SECOND,
        loop=0,
        quality=QUALITY,
        method=6,
    )
    print(f"{output}: {len(halves)} frames, {output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="The .webp file; an existing one is replaced.")
    main(parser.parse_args().output)
