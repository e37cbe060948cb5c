"""Color gray frames. The network predicts only chroma; the luma of the frame stays unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.hints import HintSet, apply_hints
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_chroma
from edgecolor_runtime.errors import ModelFileError, UsageError
from edgecolor_runtime.inference.interpreter import load_interpreter
from edgecolor_runtime.inference.normalization import Normalization, measure_normalization
from edgecolor_runtime.inference.preprocess import block_mean, build_input_table, squash, to_real
from edgecolor_runtime.inference.tensor import TensorInfo
from edgecolor_runtime.models.info import TensorDescription
from edgecolor_runtime.models.model_file import ModelFile, read
from edgecolor_runtime.models.shipped import read_shipped
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SHAPE, INPUT_SIZE, OUTPUT_SHAPE


class Colorizer:
    """A model with its interpreter. Not thread-safe: make one for each thread.

    Args:
        model: verified model.
        threads: number of CPU threads of one inference.
        delegate: "edgetpu", or the path of a delegate's library; None: the CPU.
        saturation: gain on the predicted ab, at least 0; 0 is gray (default: the model's own).
        guided: upsample chroma along the edges of the luma. False: bilinear upsampling, slightly faster.

    Raises:
        UsageError: the saturation is negative or not a number.
        MissingError: no interpreter library is installed, or the delegate cannot be loaded.
        ModelFileError: the graph differs from its description in the model file.
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        threads: int = 1,
        delegate: str | None = None,
        saturation: float | None = None,
        guided: bool = True,
    ) -> None:
        self.guided = guided
        self.model = model
        self.saturation = model.info.saturation if saturation is None else saturation
        self.delegate = delegate
        self.interpreter = load_interpreter(
            model.flatbuffer, threads=threads, delegate=delegate, is_pinned=model.is_pinned
        )
        _verify_tensor(self.interpreter.input, model.info.input, INPUT_SHAPE, "input")
        _verify_tensor(self.interpreter.output, model.info.output, OUTPUT_SHAPE, "output")
        if model.info.ab_scale != AB_SCALE:
            raise ModelFileError(f"the model's ab scale is {model.info.ab_scale}; expected {AB_SCALE}")
        self._input = build_input_table(self.interpreter.input)

    @property
    def saturation(self) -> float:
        """Gain on the predicted ab. It can be changed between two frames."""
        return self._saturation

    @saturation.setter
    def saturation(self, gain: float) -> None:
        if not 0 <= gain < float("inf"):
            raise UsageError(
                f"saturation {gain}: expected a number of at least 0 (0: gray, 1: the network's prediction)"
            )
        self._saturation = gain

    @classmethod
    def open(cls, path: str | Path, **options: Any) -> Colorizer:
        """Open a model file. `options` are the arguments of the class."""
        return cls(read(path), **options)

    @classmethod
    def shipped(cls, name: str = "s", **options: Any) -> Colorizer:
        """Open a model of this package (default: the small, fast one). `options` are those of the class."""
        return cls(read_shipped(name), **options)

    def colorize(self, gray: Image.Image, hints: HintSet | None = None) -> ColorFrame:
        """Color a frame of mode L and any size, by `prepare`, `predict` and `finish`."""
        seen = self.prepare(gray)
        return self.finish(gray, seen, self.predict(seen), hints)

    def prepare(self, gray: Image.Image) -> U8:
        """Return what the network sees of a frame of mode L and any size: 8-bit luma, shape (224, 224)."""
        if gray.mode != "L":
            raise UsageError(
                f"the picture has mode {gray.mode}; expected L. Use open_picture to read any picture as gray"
            )
        return squash(gray)

    def predict(self, seen: U8, normalization: Normalization | None = None) -> F32:
        """Run the network on the picture without its mount, stretched by as much as it is faded or dark.

        Args:
            seen: 8-bit luma, shape (224, 224).
            normalization: how `seen` is normalized; None: as it measures itself.

        Returns:
            ab in Lab units, shape (56, 56, 2), without the saturation gain. A mount has ab of 0.
        """
        _verify_seen(seen)
        if normalization is None:
            normalization = measure_normalization(seen)
        raw = self.predict_raw(normalization.apply(seen))
        return normalization.place(to_real(raw, self.interpreter.output) * np.float32(AB_SCALE))

    def predict_raw(self, seen: U8) -> NDArray[Any]:
        """Return the raw output for 8-bit luma (224, 224) as it is: int8 or float32, (56, 56, 2)."""
        _verify_seen(seen)
        (raw,) = self.interpreter(self._input[seen].reshape(INPUT_SHAPE))
        output: NDArray[Any] = raw
        return output

    def finish(self, gray: Image.Image, seen: U8, ab: F32, hints: HintSet | None = None) -> ColorFrame:
        """Put predicted colors on a frame. The saturation gain is applied here.

        Args:
            gray: the frame, mode L.
            seen: result of `prepare`.
            ab: result of `predict`, shape (56, 56, 2).
            hints: colors given by hand; the gain does not change them.

        Raises:
            UsageError: the hints do not fit the frame.
        """
        lightness = block_mean(LIGHTNESS_OF_LUMA[seen])
        predicted = lab_to_chroma(lightness, ab * np.float32(self.saturation))
        luma = block_mean(seen)
        frame = ColorFrame(gray, predicted, luma if self.guided else None)
        return apply_hints(frame, luma, hints) if hints is not None else frame


def _verify_seen(seen: U8) -> None:
    if seen.shape != (INPUT_SIZE, INPUT_SIZE):
        raise UsageError(f"gray has shape {seen.shape}; expected {(INPUT_SIZE, INPUT_SIZE)}")


def _verify_tensor(
    tensor: TensorInfo, described: TensorDescription, shape: tuple[int, ...], side: str
) -> None:
    if tensor.shape != shape or tensor.dtype not in (np.int8, np.float32):
        raise ModelFileError(
            f"the model's {side} is {tensor.dtype} {tensor.shape}; expected int8 or float32 {shape}"
        )
    actual = (tensor.scale, tensor.zero_point)
    expected = (described.scale, described.zero_point)
    if not np.allclose(actual, expected, rtol=1e-6, atol=0):
        raise ModelFileError(
            f"the model's {side} has scale and zero point {actual}; its metadata says {expected}"
        )
