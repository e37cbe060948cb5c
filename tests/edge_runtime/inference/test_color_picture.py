"""One picture in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import Colorizer, ModelFileError, PictureError, UsageError, color, open_picture, save


@pytest.fixture
def cloud(cloud: Image.Image) -> Image.Image:
    """The shared picture without the metadata that other tests add."""
    return Image.fromarray(np.asarray(cloud))


def test_a_file_and_an_open_picture_agree(cloud: Image.Image, tmp_path: Path, tiny_path: Path) -> None:
    cloud.save(tmp_path / "gray.png")
    colored = color(tmp_path / "gray.png", model=tiny_path)
    assert (colored.mode, colored.size) == ("RGB", cloud.size)
    expected = Colorizer.open(tiny_path).colorize(cloud).to_rgb()
    np.testing.assert_array_equal(np.asarray(colored), np.asarray(expected))
    for picture in (cloud, cloud.convert("RGB")):
        np.testing.assert_array_equal(np.asarray(color(picture, model=tiny_path)), np.asarray(expected))
    assert cloud.mode == "L", "the picture itself is not changed"
    save(Colorizer.open(tiny_path).colorize(open_picture(tmp_path / "gray.png").gray), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(expected))


def test_the_shipped_model_is_the_default(cloud: Image.Image) -> None:
    expected = Colorizer.shipped("m").colorize(cloud).to_rgb()
    np.testing.assert_array_equal(np.asarray(color(cloud)), np.asarray(expected))
    gray = np.asarray(color(cloud, saturation=0))
    np.testing.assert_array_equal(gray, np.repeat(np.asarray(cloud)[..., None], 3, axis=2))


def test_transparency_and_orientation(cloud: Image.Image, tiny_path: Path) -> None:
    transparent = cloud.convert("RGBA")
    transparent.putalpha(7)
    assert color(transparent, model=tiny_path).getpixel((0, 0))[3] == 7  # type: ignore[index]
    turned = Image.new("L", (30, 20), 90)
    turned.getexif()[0x0112] = 6
    assert color(turned, model=tiny_path).size == (20, 30)


def test_wrong_calls(tmp_path: Path, cloud: Image.Image) -> None:
    with pytest.raises(PictureError, match=r"none\.jpg: No such file"):
        color(tmp_path / "none.jpg")
    with pytest.raises(PictureError, match=r"the picture: damaged picture \(no pixel has a finite value\)"):
        color(Image.fromarray(np.full((4, 4), np.nan, np.float32)))
    with pytest.raises(ModelFileError, match="no shipped model is called x"):
        color(cloud, model="x")
    with pytest.raises(UsageError, match="saturation"):
        color(cloud, saturation=-1)
