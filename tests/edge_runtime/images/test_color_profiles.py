"""Brightness stays as a color-managed viewer shows it, for every kind of ICC profile."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from edgecolor_runtime import Colorizer, open_picture, save
from edgecolor_runtime.colors.spaces import F32, LUMA_B, LUMA_G, LUMA_R
from edgecolor_runtime.images.color_profiles import BROKEN, SRGB

from . import icc_profiles as made

GRAY_PROFILES = {
    "linear": made.gray(made.gamma(1.0)),
    "gamma-1.8": made.gray(made.gamma(1.8)),
    "gamma-2.2": made.gray(made.gamma(2.2), kind=b"scnr"),
    "dot-gain": made.gray(made.DOT_GAIN, kind=b"prtr"),
    "identity": made.gray(made.table([])),
    "parametric": made.gray(made.SRGB_CURVE),
    "offset": made.gray(made.parametric(1, 2.0, 1.1, -0.1)),
    "lightness": made.gray(made.gamma(1.0), connection=b"Lab "),
}
RGB_PROFILES = {
    "srgb": made.rgb(made.SRGB_COLORANTS, made.SRGB_CURVE),
    "adobe": made.rgb(made.ADOBE_COLORANTS, made.gamma(2.2)),
    "prophoto": made.rgb(made.PROPHOTO_COLORANTS, made.gamma(1.8)),
    "p3": made.rgb(made.P3_COLORANTS, made.SRGB_CURVE),
    "linear-rgb": made.rgb(made.SRGB_COLORANTS, made.gamma(1.0)),
}
OTHER_SPACE = "its color profile is for {}, not for {} pixels, and was ignored"
LOSSLESS = (".png", ".tif")


@pytest.fixture(scope="module")
def ramp(cloud: Image.Image) -> Image.Image:
    """A photograph with every gray."""
    image = cloud.copy()
    image.paste(Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(20, axis=0)))
    return image


@pytest.fixture(scope="module")
def colors(ramp: Image.Image) -> Image.Image:
    """A photograph with every gray and many colors."""
    random = np.random.default_rng(5)
    noise = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(ramp.size)
    image = Image.blend(ramp.convert("RGB"), noise, 0.5)
    image.paste(ramp.crop((0, 0, 256, 20)).convert("RGB"))
    return image


def shown(path: Path) -> F32:
    """Return the luma that a color-managed viewer shows."""
    with Image.open(path) as image:
        image.load()
        icc = image.info.get("icc_profile")
        visible: Image.Image | None = image
        if icc:
            source, screen = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
            visible = ImageCms.profileToProfile(image, source, screen, outputMode="RGB")
        assert visible is not None
        return np.asarray(visible.convert("RGB").convert("L"), np.float32)


def verify_brightness(colorizer: Colorizer, source: Path, target: Path) -> bytes | None:
    """Color a picture, compare its luma with the source's, and return the profile of the result."""
    picture = open_picture(source)
    save(colorizer.colorize(picture.gray), target, of=picture)
    assert np.abs(shown(target) - shown(source)).max() <= 1
    assert picture.notes == ()
    with Image.open(target) as image:
        icc = image.info.get("icc_profile")
    assert icc is None or icc[16:20] == b"RGB "
    return icc


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("name", GRAY_PROFILES)
def test_gray_profiles(
    colorizer: Colorizer, ramp: Image.Image, tmp_path: Path, name: str, suffix: str
) -> None:
    source = tmp_path / f"in{suffix}"
    ramp.save(source, icc_profile=GRAY_PROFILES[name])
    assert verify_brightness(colorizer, source, tmp_path / f"out{suffix}") == SRGB


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("name", RGB_PROFILES)
@pytest.mark.parametrize("kind", ["gray", "color"])
def test_rgb_profiles(
    colorizer: Colorizer,
    ramp: Image.Image,
    colors: Image.Image,
    tmp_path: Path,
    name: str,
    suffix: str,
    kind: str,
) -> None:
    source = tmp_path / f"in{suffix}"
    image = ramp.convert("RGB") if kind == "gray" else colors
    image.save(source, icc_profile=RGB_PROFILES[name])
    expected = RGB_PROFILES[name] if name == "srgb" else SRGB
    assert verify_brightness(colorizer, source, tmp_path / f"out{suffix}") == expected


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("source_suffix", [".tif", ".jpg"])
def test_cmyk_profiles(
    colorizer: Colorizer, colors: Image.Image, tmp_path: Path, source_suffix: str, suffix: str
) -> None:
    source = tmp_path / f"in{source_suffix}"
    colors.convert("CMYK").save(source, icc_profile=made.cmyk())
    assert verify_brightness(colorizer, source, tmp_path / f"out{suffix}") == SRGB


def test_lab_tiff(colorizer: Colorizer, colors: Image.Image, tmp_path: Path) -> None:
    lab = ImageCms.profileToProfile(
        colors, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    lab.save(tmp_path / "in.tif")
    picture = open_picture(tmp_path / "in.tif")
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    assert np.abs(shown(tmp_path / "out.tif") - np.asarray(colors.convert("L"), np.float32)).mean() < 1.5
    assert picture.icc == SRGB


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("name", GRAY_PROFILES)
def test_16_bit_gray(colorizer: Colorizer, tmp_path: Path, name: str, suffix: str) -> None:
    levels = np.linspace(0, 65535, 320 * 240).reshape(240, 320).astype(np.uint16)
    x = levels / 65535
    linear = {
        "linear": x,
        "gamma-1.8": x ** (461 / 256),
        "gamma-2.2": x ** (563 / 256),
        "dot-gain": np.interp(x, np.linspace(0, 1, 256), np.frombuffer(made.DOT_GAIN[12:], ">u2") / 65535),
        "identity": x,
        "parametric": np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4),
        "offset": np.maximum(1.1 * x - 0.1, 0) ** 2,
        "lightness": np.where(x > 0.08, ((x * 100 + 16) / 116) ** 3, x * 100 / 903.3),
    }[name]
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 65535
    Image.fromarray(levels).save(tmp_path / f"in{suffix}", icc_profile=GRAY_PROFILES[name])
    picture = open_picture(tmp_path / f"in{suffix}")
    assert picture.deep is not None
    assert np.abs(picture.deep - expected).max() <= 20, "of 65535"
    save(colorizer.colorize(picture.gray), tmp_path / f"out{suffix}", of=picture)
    written = cv2.imread(str(tmp_path / f"out{suffix}"), cv2.IMREAD_UNCHANGED)
    assert written is not None and written.dtype == np.uint16
    assert np.abs(written @ (LUMA_B, LUMA_G, LUMA_R) - expected).max() <= 21
    assert open_picture(tmp_path / f"out{suffix}").icc == SRGB


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_16_bit_rgb(colorizer: Colorizer, cloud: Image.Image, tmp_path: Path, name: str) -> None:
    fine = np.random.default_rng(2).integers(-128, 129, (240, 320, 1))
    tint = np.array([400, 0, -600])  # a scanner's cast
    levels = (np.asarray(cloud, int)[..., None] * 257 + fine + tint).clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", levels, photometric="rgb", iccprofile=RGB_PROFILES[name])
    cloud.convert("RGB").save(tmp_path / "gray.tif", icc_profile=RGB_PROFILES[name])
    picture = open_picture(tmp_path / "in.tif")
    assert picture.deep is not None and len(np.unique(picture.deep)) > 2000
    assert np.abs(picture.deep / 257 - np.asarray(picture.gray, float)).max() <= 1.01
    assert np.abs(picture.deep / 257 - shown(tmp_path / "gray.tif")).mean() < 2
    save(colorizer.colorize(picture.gray), tmp_path / "out.tif", of=picture)
    written = cv2.imread(str(tmp_path / "out.tif"), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert np.abs(written @ (LUMA_B, LUMA_G, LUMA_R) - picture.deep.astype(float)).max() <= 1


@pytest.mark.parametrize("profile", [b"x", b"\0" * 200, made.gray(made.gamma(1.8))[:150], b"GRAY" * 60])
def test_a_damaged_profile_is_ignored_with_a_note(ramp: Image.Image, tmp_path: Path, profile: bytes) -> None:
    ramp.save(tmp_path / "in.png", icc_profile=profile)
    picture = open_picture(tmp_path / "in.png")
    np.testing.assert_array_equal(np.asarray(picture.gray), np.asarray(ramp))
    assert picture.icc is None and len(picture.notes) == 1 and "ignored" in picture.notes[0]


def test_a_damaged_profile_that_fits_its_pixels(ramp: Image.Image, tmp_path: Path) -> None:
    ramp.save(tmp_path / "in.png", icc_profile=made.gray(made.gamma(1.8))[:150])
    assert open_picture(tmp_path / "in.png").notes == (BROKEN,)


@pytest.mark.parametrize(
    ("mode", "profile", "note"),
    [
        (
            "RGB",
            GRAY_PROFILES["linear"],
            "its color profile is for GRAY, not for color pixels, and was ignored",
        ),
        ("RGB", made.cmyk(), "its color profile is for CMYK, not for color pixels, and was ignored"),
        ("L", RGB_PROFILES["adobe"], "its color profile is for RGB, not for gray pixels, and was ignored"),
        ("L", made.cmyk(), "its color profile is for CMYK, not for gray pixels, and was ignored"),
    ],
)
def test_a_profile_of_other_pixels(
    ramp: Image.Image, tmp_path: Path, mode: str, profile: bytes, note: str
) -> None:
    ramp.convert(mode).save(tmp_path / "in.png", icc_profile=profile)
    picture = open_picture(tmp_path / "in.png")
    np.testing.assert_array_equal(np.asarray(picture.gray), np.asarray(ramp))
    assert (picture.icc, picture.notes) == (None, (note,))


def test_gray_pixels_keep_a_profile_of_srgb(ramp: Image.Image, tmp_path: Path) -> None:
    ramp.save(tmp_path / "in.jpg", icc_profile=RGB_PROFILES["srgb"])
    picture = open_picture(tmp_path / "in.jpg")
    assert (picture.icc, picture.notes) == (RGB_PROFILES["srgb"], ())


def test_no_profile_stays_none(ramp: Image.Image, tmp_path: Path) -> None:
    ramp.save(tmp_path / "in.png")
    assert open_picture(tmp_path / "in.png").icc is None


def test_our_profile_is_srgb() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(SRGB))
    colors = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    same = ImageCms.profileToProfile(colors, profile, ImageCms.createProfile("sRGB"))
    assert same is not None
    assert np.abs(np.asarray(same, int) - np.asarray(colors, int)).max() <= 1
    assert len(SRGB) < 3000
