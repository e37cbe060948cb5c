"""The colorizer gives the colors that the network predicts, and keeps the luma of the input."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import Colorizer, ModelFile, ModelFileError, UsageError
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_chroma, rgb_to_lab
from edgecolor_runtime.inference.preprocess import block_mean, dequantize, squash
from edgecolor_runtime.models.info import TensorDescription
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SHAPE, OUTPUT_SHAPE


class FixedInterpreter:
    """An interpreter with the same int8 output for every input."""

    def __init__(self, real: Any, output: Any) -> None:
        self.name, self.input, self.output, self._output = "fixed", real.input, real.output, output

    def __call__(self, x: Any) -> Any:
        assert x.shape == self.input.shape and x.dtype == self.input.dtype
        return self._output


@pytest.fixture
def fixed(tiny: ModelFile) -> tuple[Colorizer, F32]:
    """A colorizer with a fixed, weak prediction, and this prediction in Lab units."""
    colorizer = Colorizer(tiny)
    rows, columns = np.mgrid[0:56, 0:56] / 55
    raw = np.stack([40 * np.sin(3 * rows), 40 * np.cos(4 * columns)], axis=-1)[None].astype(np.int8)
    colorizer.interpreter = FixedInterpreter(colorizer.interpreter, raw)
    return colorizer, dequantize(raw[0], colorizer.interpreter.output.scale, 0) * np.float32(AB_SCALE)


def luma(image: Image.Image) -> F32:
    return np.asarray(image.convert("L"), np.float32)


def test_predict_is_the_dequantized_golden_output(tiny: ModelFile, colorizer: Colorizer) -> None:
    for gray, reference in zip(tiny.golden.gray, tiny.golden.reference, strict=True):
        assert np.abs(colorizer.predict(gray) - reference * AB_SCALE).mean() < 1.5


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (1, 1), (1, 300), (3, 2), (223, 225), (30_000, 3)])
def test_luma_is_kept(colorizer: Colorizer, cloud: Image.Image, size: tuple[int, int]) -> None:
    gray = cloud.resize(size)
    frame = colorizer.colorize(gray)
    rgb, ycbcr = frame.to_rgb(), frame.to_ycbcr()
    assert rgb.size == ycbcr.size == size and (rgb.mode, ycbcr.mode) == ("RGB", "YCbCr")
    assert np.abs(luma(rgb) - luma(gray)).max() <= 1
    assert np.abs(luma(ycbcr.convert("RGB")) - luma(gray)).max() <= 2


def test_colors_are_those_predicted(fixed: tuple[Colorizer, F32]) -> None:
    colorizer, ab = fixed
    rows = np.linspace(70, 180, 224)[:, None]
    gray = Image.fromarray(np.repeat(rows, 224, axis=1).astype(np.uint8))
    lab = rgb_to_lab(np.asarray(colorizer.colorize(gray).to_rgb()))
    seen = np.stack([block_mean(lab[..., 1]), block_mean(lab[..., 2])], axis=-1)
    assert np.abs(seen - ab).mean() < 1.0
    assert np.abs(seen - ab).max() < 4.0


def test_rgb_and_ycbcr_show_the_same_colors(fixed: tuple[Colorizer, F32], cloud: Image.Image) -> None:
    frame = fixed[0].colorize(cloud.resize((40, 30)).resize((640, 480), Image.Resampling.BICUBIC))
    exact, halved = (np.asarray(image.convert("RGB"), float) for image in (frame.to_rgb(), frame.to_ycbcr()))
    assert np.abs(exact.mean((0, 1)) - halved.mean((0, 1))).max() < 2


def test_saturation(tiny: ModelFile, cloud: Image.Image) -> None:
    def chroma(gain: float | None) -> F32:
        return Colorizer(tiny, saturation=gain).colorize(cloud).chroma

    gray = np.asarray(Colorizer(tiny, saturation=0).colorize(cloud).to_rgb())
    np.testing.assert_array_equal(gray, np.repeat(np.asarray(cloud)[..., None], 3, axis=2))
    np.testing.assert_array_equal(chroma(None), chroma(1.0))
    assert np.abs(chroma(0.5)).mean() < 0.7 * np.abs(chroma(1.0)).mean()
    seen = squash(cloud)
    ab = Colorizer(tiny).predict(seen) * np.float32(0.5)
    np.testing.assert_allclose(chroma(0.5), lab_to_chroma(block_mean(LIGHTNESS_OF_LUMA[seen]), ab), atol=1e-3)
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="saturation"):
            Colorizer(tiny, saturation=wrong)


def test_wrong_input_is_refused(colorizer: Colorizer) -> None:
    with pytest.raises(UsageError, match="has mode RGB; expected L"):
        colorizer.colorize(Image.new("RGB", (4, 4)))
    wrong: U8 = np.zeros((56, 56), np.uint8)
    with pytest.raises(UsageError, match=r"\(224, 224\)"):
        colorizer.predict(wrong)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"input": TensorDescription(INPUT_SHAPE, scale=0.5, zero_point=-1)}, "input has scale"),
        ({"output": TensorDescription(OUTPUT_SHAPE, scale=0.0078125, zero_point=3)}, "output has scale"),
        ({"ab_scale": 110.0}, "ab scale is 110"),
    ],
)
def test_a_graph_that_differs_from_its_description(
    tiny: ModelFile, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ModelFileError, match=says):
        Colorizer(dataclasses.replace(tiny, info=dataclasses.replace(tiny.info, **change)))
