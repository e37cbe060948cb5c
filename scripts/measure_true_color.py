"""Measure how often a color photograph is taken for a gray one, and a gray or toned one for a color one.

    python scripts/measure_true_color.py PHOTOGRAPHS

Each color photograph of the folder is tested in color, faded, noisy and compressed. It is also turned gray,
and then toned, put under a colored light, yellowed, compressed and given noise. The printed table in Markdown
has the number and the share of photographs of each version that `colors/true_color.py` decides wrongly.
"""

from __future__ import annotations

import argparse
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor.support.picture_files import find_pictures
from edgecolor_runtime.colors.spaces import LUMA_B, LUMA_G, LUMA_R
from edgecolor_runtime.colors.true_color import is_true_color, sample_image
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.images.reader import open_picture

Rgb = NDArray[np.floating[Any]]
Version = tuple[str, Rgb]
"""Name of a version of a photograph, and its sRGB in [0, 255], shape (h, w, 3)."""

_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32).sum(1)
_LIGHTS = {
    "warm light": (1.1, 1.0, 0.85),
    "cool light": (0.85, 1.0, 1.12),
    "green light": (0.9, 1.05, 0.9),
    "magenta light": (1.08, 0.88, 1.05),
    "strong warm light": (1.25, 1.0, 0.6),
}
_DUOTONES = {
    "cyanotype": ((10, 25, 60), (235, 245, 240)),
    "selenium": ((30, 10, 35), (250, 245, 250)),
    "gold": ((40, 20, 5), (255, 235, 190)),
}


def gray_of(rgb: Rgb) -> Rgb:
    """Return the gray of a photograph, three equal channels."""
    luma = rgb @ np.array([LUMA_R, LUMA_G, LUMA_B], np.float32)
    return np.repeat(luma[..., None], 3, axis=-1)


def compress(rgb: Rgb, quality: int) -> Rgb:
    """Return what is left after JPEG with 4:2:0 chroma."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(rgb.clip(0, 255)).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    with open_image(buffer) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def tone(gray: Rgb, dark: tuple[int, ...], light: tuple[int, ...]) -> Rgb:
    """Return a gray picture between two colors."""
    share = gray / 255
    return np.array(dark, np.float32) * (1 - share) + np.array(light, np.float32) * share


def split_tone(gray: Rgb, amount: float) -> Rgb:
    """Return a gray picture with blue shadows and warm highlights."""
    share = gray[..., 0] / 255
    toned = (share - 0.4) * 4 * share * (1 - share) * 60 * amount
    return gray + np.stack([toned, 0 * toned, -toned], axis=-1).astype(np.float32)


def positions(gray: Rgb) -> tuple[Rgb, Rgb]:
    """Return x and y of each pixel in [-0.5, 0.5]."""
    height, width = gray.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x / width - 0.5, y / height - 0.5


def fade_across(gray: Rgb, strength: float, generator: np.random.Generator) -> Rgb:
    """Return a gray picture whose color cast changes from one side to the other."""
    x, y = positions(gray)
    angle = generator.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    faded: Rgb = gray * (1 + strength * along[..., None] * np.array([1, 0.1, -1], np.float32))
    return faded


def yellow_edges(gray: Rgb, strength: float) -> Rgb:
    """Return a gray picture that is yellowed towards its edges."""
    x, y = positions(gray)
    return gray * (1 - strength * 2 * (x * x + y * y)[..., None] * np.array([0.2, 0.5, 1], np.float32))


def shift_channels(gray: Rgb, pixels: float) -> Rgb:
    """Return a gray picture as a scanner gives it whose channels do not meet exactly."""
    luma = gray[..., 0]
    red, blue = (luma + pixels * (np.roll(luma, step, axis=1) - luma) for step in (1, -1))
    return np.stack([red, luma, blue], axis=-1)


def add_noise(rgb: Rgb, deviation: float, generator: np.random.Generator, *, grain: int = 1) -> Rgb:
    """Return a picture with noise that differs in each channel; its grain is in pixels."""
    height, width = rgb.shape[:2]
    small = generator.normal(0, 1, (-(-height // grain), -(-width // grain), 3)).astype(np.float32)
    noise = np.stack(
        [
            np.asarray(Image.fromarray(small[..., i]).resize((width, height), Image.Resampling.BICUBIC))
            for i in range(3)
        ],
        axis=-1,
    )
    noisy: Rgb = rgb + deviation * noise / noise.std()
    return noisy


def gray_versions(rgb: Rgb, generator: np.random.Generator) -> Iterator[Version]:
    """Yield the versions of a photograph that have no true color."""
    gray = gray_of(rgb)
    sepia = np.minimum(gray * _SEPIA, 255)
    yield "gray", gray
    yield "gray, JPEG 30", compress(gray, 30)
    for amount in (0.25, 0.5, 1.0):
        yield f"sepia {amount:.0%}", gray * (1 - amount) + sepia * amount
    for quality in (95, 75, 50, 30):
        yield f"sepia 100%, JPEG {quality}", compress(sepia, quality)
    for name, (dark, light) in _DUOTONES.items():
        yield name, tone(gray, dark, light)
        yield f"{name}, JPEG 75", compress(tone(gray, dark, light), 75)
    for amount in (0.5, 1.0):
        yield f"split toning {amount:.0%}", split_tone(gray, amount)
    for name, gains in _LIGHTS.items():
        yield name, gray * np.array(gains, np.float32)
    yield "warm light, JPEG 75", compress(gray * np.array(_LIGHTS["warm light"], np.float32), 75)
    yield "cast added", gray + np.array([20, 5, -25], np.float32)
    yield "cast by three gammas", 255 * (gray / 255) ** np.array([0.85, 1, 1.25], np.float32)
    for strength in (0.1, 0.2):
        yield f"cast that changes by {strength:.0%} across", fade_across(gray, strength, generator)
    for strength in (0.3, 0.6):
        yield f"edges yellowed by {strength:.0%}", yellow_edges(gray, strength)
    for deviation in (3, 6, 10):
        yield f"noise of {deviation} levels", add_noise(gray, deviation, generator)
    yield "noise of 5 levels, grain 2", add_noise(gray, 5, generator, grain=2)
    yield "sepia 100%, noise of 6 levels, JPEG 75", compress(add_noise(sepia, 6, generator), 75)
    for pixels in (0.25, 0.5):
        yield f"channels shifted by {pixels} pixels", shift_channels(gray, pixels)
    yield "negative", 255 - gray
    yield "negative under an orange mask", (255 - gray) * np.array([1, 0.75, 0.5], np.float32)
    yield "dark, noise of 4 levels", add_noise(gray * np.float32(0.3), 4, generator)


def color_versions(rgb: Rgb, generator: np.random.Generator) -> Iterator[Version]:
    """Yield the versions of a photograph that are in true color."""
    gray = gray_of(rgb)

    def fade(saturation: float) -> Rgb:
        return gray + np.float32(saturation) * (rgb - gray)

    yield "as it is", rgb
    for quality in (75, 50, 20):
        yield f"JPEG {quality}", compress(rgb, quality)
    for saturation in (0.7, 0.5, 0.4, 0.3, 0.2):
        yield f"saturation {saturation:.0%}", fade(saturation)
    yield "faded to 50%, magenta", 40 + 0.75 * fade(0.5) * np.array([1.1, 0.85, 0.95], np.float32)
    yield "faded to 40%, yellow", 40 + 0.75 * fade(0.4) * np.array([1.1, 1, 0.7], np.float32)
    for deviation in (6, 10):
        yield f"noise of {deviation} levels", add_noise(rgb, deviation, generator)
    yield "saturation 50%, noise of 6 levels", add_noise(fade(0.5), 6, generator)
    yield "dark", rgb * np.float32(0.3)
    yield "color negative", 255 - rgb


def decide(rgb: Rgb) -> bool:
    """Return whether a picture is taken for one in true color."""
    image = Image.fromarray(np.rint(rgb.clip(0, 255)).astype(np.uint8))
    return is_true_color(*sample_image(image))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photographs", type=Path, help="folder of color photographs")
    parser.add_argument("--list", action="store_true", help="name the photographs decided wrongly")
    arguments = parser.parse_args()
    wrong: dict[tuple[bool, str], list[str]] = {}
    photographs = 0
    for path in find_pictures(arguments.photographs).files:
        picture = open_picture(path)
        if picture.rgb is None:  # gray already
            continue
        photographs += 1
        rgb = np.asarray(picture.rgb, np.float32)
        generator = np.random.default_rng(zlib.crc32(path.name.encode()))
        for in_color, versions in ((True, color_versions), (False, gray_versions)):
            for name, version in versions(rgb, generator):
                names = wrong.setdefault((in_color, name), [])
                if decide(version) != in_color:
                    names.append(path.name)
    for in_color, title in ((True, "In color"), (False, "Without true color")):
        print(f"\n| {title} | Wrong of {photographs} | |\n|---|---|---|")
        for (kind, name), names in wrong.items():
            if kind == in_color:
                print(f"| {name} | {len(names)} | {len(names) / photographs:.1%} |")
                if arguments.list and names:
                    print(f"|   {' '.join(names[:12])} | | |")


if __name__ == "__main__":
    main()
