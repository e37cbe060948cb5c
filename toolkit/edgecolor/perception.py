"""What a classifier sees in the coloured picture, against what it sees in the original: for the loss alone.

A colour that fits the thing moves the features of an ImageNet network towards the original's; a colour that
does not moves them away, however near it is in Lab. After Johnson, Alahi and Fei-Fei, "Perceptual losses for
real-time style transfer and super-resolution", 2016 (arXiv:1603.08155). The eye is the smallest MobileNet V1,
in colour; it is not the network that `edgecolor evaluate --classifier` is given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from keras import layers, ops

from edgecolor.network import TAPS
from edgecolor_runtime.color import lab_to_rgb
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.preprocess import AB_SCALE, CHROMA_STRIDE

EYE_ALPHA = 0.25
SEEN_AT = (8, 16, 32)  # strides whose features are compared: parts, things, the scene
LEAST = 1e-4  # relative squared difference at which features count as alike


def open_eye(weights: str) -> keras.Model:
    """The classifier: sRGB in [-1, 1], (n, h, w, 3), to its features at the strides of SEEN_AT.

    Args:
        weights: "imagenet", which Keras downloads and caches, or a file for Keras's MobileNet without top.

    Raises:
        DataError: no such file, or weights of another network.
    """
    if weights != "imagenet" and not Path(weights).is_file():
        raise DataError(f"{weights}: no such file of MobileNet weights.")
    try:
        mobilenet = keras.applications.MobileNet(
            input_shape=(None, None, 3), alpha=EYE_ALPHA, include_top=False, weights=weights
        )
    except (OSError, ValueError) as error:
        raise DataError(f"{weights}: no weights of Keras's MobileNet of alpha {EYE_ALPHA}.") from error
    features = [mobilenet.get_layer(TAPS[stride]).output for stride in SEEN_AT]
    eye = keras.Model(mobilenet.input, features, name="eye")
    eye.trainable = False
    return eye


class _Shown(layers.Layer):  # type: ignore[misc]
    """(L on the network's scale, ab at its size) to sRGB in [-1, 1] at L's size."""

    def call(self, lightness: Any, ab: Any) -> Any:
        whole = ops.repeat(ops.repeat(ab, CHROMA_STRIDE, axis=1), CHROMA_STRIDE, axis=2)
        lab = ops.concatenate([50.0 * (lightness + 1.0), AB_SCALE * whole], axis=-1)
        return lab_to_rgb(lab, ops) / 127.5 - 1.0


class _Difference(layers.Layer):  # type: ignore[misc]
    """Features and the original's to their difference over the original's size, (n,), mean over the taps."""

    def call(self, ours: list[Any], truth: list[Any]) -> Any:
        def relative(a: Any, b: Any) -> Any:
            axes = (1, 2, 3)
            apart, size = ops.sum(ops.square(a - b), axis=axes), ops.sum(ops.square(b), axis=axes)
            return ops.sqrt(apart / (size + 1.0) + LEAST)

        taps = [relative(a, b) for a, b in zip(ours, truth, strict=True)]
        return sum(taps) / len(taps)


def with_eye(model: keras.Model, eye: keras.Model) -> keras.Model:
    """A training model with one more input and output: the true ab, and the difference that the eye sees.

    Args:
        model: a training model of input L, whose first output is ab.
        eye: from `open_eye`.

    Returns:
        Inputs L (n, h, w, 1) and true ab (n, h / 4, w / 4, 2); the last output is (n,), about 0.1 to 0.5.
    """
    truth = layers.Input((None, None, 2), name="truth")
    show = _Shown(name="shown")
    ours, original = (eye(show(model.input, ab)) for ab in (model.outputs[0], truth))
    difference = _Difference(name="seen")(ours, original)
    return keras.Model([model.input, truth], [*model.outputs, difference], name=model.name)


def perceptual_loss(weight: float) -> Callable[[Any, Any], Any]:
    """The loss of the eye's output: (anything, difference (n,)) to (n,)."""

    def loss(_: Any, difference: Any) -> Any:
        return weight * difference

    return loss
