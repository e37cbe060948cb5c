"""The fusion network: gray L in, ab out. An encoder and a MobileNet side by side, a fusion, and a decoder.

After Baldassarre, Gonzalez Morin and Rodes-Guirao, "Deep Koalarization", 2017 (arXiv:1712.03400), and
Ioannidis and Patiniotis Spyropoulos, "Grayscale Image Colorization", 2022. The MobileNet is V1 (Howard et al.
2017, arXiv:1704.04861). Sizes below are for an input of 224 x 224.

Every operation has an int8 form that an Edge TPU maps: convolution, depthwise convolution, pad, mean, add,
bilinear resize, ReLU6, tanh.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers

from edgecolor.network import efficientnet
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.models.signature import INPUT_SIZE

BINS_PER_AXIS = 11  # of the classification head, which only training has, along a and along b
BINS = BINS_PER_AXIS**2
CLASS_STRIDE = 2  # that head sees every second pixel along each side, which saves 3/4 of its cost

HEAD = "ab"
CLASS_HEAD = "ab_class"
TEACHER_GAP = "teacher_gap"

NOT_FUSION = "This is not a fusion network as `edgecolor train` writes it."

FIRST_FILTERS = 32  # of MobileNet V1 at alpha 1

# Outputs of the MobileNet that the fusion reads: the last activation before each halving, and the deepest.
TAPS = {4: "conv_pw_3_relu", 8: "conv_pw_5_relu", 16: "conv_pw_11_relu", 32: "conv_pw_13_relu"}


def decoder_width(alpha: float) -> int:
    """Return the channels of the 56 x 56 stage; the deeper stages have 2 and 4 times as many.

    The width grows with the square root of alpha. The cost of the MobileNet grows with alpha squared. A
    decoder that did the same would be too narrow at alpha 0.25, and would dominate the cost at 1.0.
    """
    return max(8, 8 * round(8 * math.sqrt(alpha)))


def _conv(x: Any, filters: int, kernel: int, name: str, *, stride: int = 1) -> Any:
    """Apply convolution, batch normalization and ReLU6."""
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _separable(x: Any, filters: int, name: str, *, stride: int = 1) -> Any:
    """Apply a depthwise 3 x 3 and a 1 x 1 convolution, each with batch normalization and ReLU6."""
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_dw")(x)
    x = layers.BatchNormalization(name=f"{name}_dw_bn")(x)
    x = layers.ReLU(6.0, name=f"{name}_dw_relu")(x)
    return _conv(x, filters, 1, f"{name}_pw")


def _project(x: Any, filters: int, name: str) -> Any:
    """Apply a 1 x 1 convolution and batch normalization, without activation: one term of a fused sum."""
    x = layers.Conv2D(filters, 1, use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _sum(terms: list[Any], name: str) -> Any:
    return layers.ReLU(6.0, name=f"{name}_relu")(layers.Add(name=name)(terms))


def _double(x: Any, name: str) -> Any:
    # Nearest upsampling converts to TILE, which an Edge TPU does not map. Bilinear converts to a resize.
    return layers.UpSampling2D(2, interpolation="bilinear", name=name)(x)


def _encoder(lightness: Any, width: int) -> dict[int, Any]:
    """Build the small convolutional branch: fine structure at strides 4 and 8."""
    x = _conv(lightness, width // 2, 3, "encoder_1", stride=2)
    at4 = _conv(x, width, 3, "encoder_2", stride=2)
    at8 = _separable(at4, 2 * width, "encoder_3", stride=2)
    return {4: at4, 8: at8}


def _mobilenet(lightness: Any, alpha: float, size: int | None) -> dict[int, Any]:
    """Build MobileNet V1 on one channel. Return its outputs at strides 4, 8, 16 and 32."""
    trunk = keras.applications.MobileNet(
        input_shape=(size, size, 1), input_tensor=lightness, alpha=alpha, include_top=False, weights=None
    )
    return {stride: trunk.get_layer(name).output for stride, name in TAPS.items()}


def _fusion(encoder: dict[int, Any], mobilenet: dict[int, Any], width: int) -> Any:
    """Fuse from deep to shallow, up to stride 8: the global vector of the picture, its parts, its texture.

    The convolution of a concatenation is the sum of the convolutions of its parts, so no vector is tiled.
    """
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="global")(mobilenet[32])
    x = _sum(
        [_project(mobilenet[32], 4 * width, "fusion_32"), _project(whole, 4 * width, "fusion_global")],
        "fuse_32",
    )
    x = _sum([_double(x, "up_32"), _project(mobilenet[16], 4 * width, "fusion_16")], "fuse_16")
    x = _separable(x, 4 * width, "fusion_mix_16")
    x = _double(_project(x, 2 * width, "fusion_to_8"), "up_16")
    return _sum(
        [
            x,
            _project(mobilenet[8], 2 * width, "fusion_8"),
            _project(encoder[8], 2 * width, "fusion_encoder_8"),
        ],
        "fuse_8",
    )


def _decoder(x: Any, encoder: dict[int, Any], mobilenet: dict[int, Any], width: int) -> Any:
    """Decode from stride 8 to the features of the ab heads at stride 4."""
    x = _separable(x, 2 * width, "decoder_8a")
    x = _separable(x, 2 * width, "decoder_8b")
    x = _double(_project(x, width, "decoder_to_4"), "up_8")
    x = _sum(
        [x, _project(mobilenet[4], width, "decoder_4"), _project(encoder[4], width, "decoder_encoder_4")],
        "fuse_4",
    )
    x = _separable(x, width, "decoder_4a")
    return _separable(x, width, "decoder_4b")


def build_network(
    alpha: float,
    *,
    width: int | None = None,
    size: int | None = INPUT_SIZE,
    blocks: int | None = None,
    name: str = "fusion",
) -> keras.Model:
    """Build the network as it is exported, randomly initialized.

    Args:
        alpha: width multiplier of the MobileNet, in (0, 2].
        width: channels of encoder, fusion and decoder at stride 4, a multiple of 8 (default:
            `decoder_width`).
        size: pixels per side, a multiple of 32; None: any.
        blocks: number of blocks of an EfficientNet-Lite that replaces the MobileNet, a key of
            `efficientnet.SCALES`.
        name: of the model.

    Returns:
        Input (n, size, size, 1), L in [-1, 1]; output (n, size / 4, size / 4, 2), ab in [-1, 1].

    Raises:
        UsageError: an impossible alpha or size.
    """
    if not 0 < alpha <= 2:
        raise UsageError(f"alpha {alpha:g} must lie in (0, 2].")
    if size is not None and size % 32:
        raise UsageError(f"size {size} must be a multiple of 32.")
    width = width or decoder_width(alpha)
    lightness = layers.Input((size, size, 1), name="L")
    encoder = _encoder(lightness, width)
    mobilenet = efficientnet.build_branch(lightness, blocks) if blocks else _mobilenet(lightness, alpha, size)
    x = _decoder(_fusion(encoder, mobilenet, width), encoder, mobilenet, width)
    # Small weights, so that training starts from gray and not from a saturated tanh.
    small = keras.initializers.RandomNormal(stddev=0.01)
    x = layers.Conv2D(2, 3, padding="same", kernel_initializer=small, name=f"{HEAD}_conv")(x)
    ab = layers.Activation("tanh", dtype="float32", name=HEAD)(x)
    return keras.Model(lightness, ab, name=name)


def macs(alpha: float, width: int) -> int:
    """Return the multiply-adds of a network with these widths at 224 x 224."""
    total = 0
    for layer in build_network(alpha, width=width).layers:
        if hasattr(layer, "kernel"):
            _, rows, columns, channels = layer.output.shape
            kernel = layer.kernel.shape
            inputs = 1 if type(layer).__name__ == "DepthwiseConv2D" else kernel[2]
            total += rows * columns * channels * kernel[0] * kernel[1] * inputs
    return total


def with_class_head(network: keras.Model) -> keras.Model:
    """Return the network with a second output, for training: logits over ab bins, (n, h / 2, w / 2, BINS)."""
    features = network.get_layer(f"{HEAD}_conv").input
    logits = layers.Conv2D(BINS, 1, CLASS_STRIDE, dtype="float32", name=CLASS_HEAD)(features)
    return keras.Model(network.input, [network.output, logits], name="fusion_training")


def with_teachers(model: keras.Model, teachers: list[keras.Model], tint: float = 1.0) -> keras.Model:
    """Return a training model with one more output: its ab minus the mean ab of the teachers, (n, h, w, 2).

    Args:
        model: from `with_class_head`.
        teachers: from `for_teaching`, for any size.
        tint: share of the teachers' mean ab of a picture that is a target, from 0 to 1.
    """
    outputs = [teacher(model.input, training=False) for teacher in teachers]
    mean = layers.Average(name="teachers")(outputs) if len(outputs) > 1 else outputs[0]
    if tint != 1:
        whole = layers.GlobalAveragePooling2D(keepdims=True, name="teachers_tint")(mean)
        mean = layers.Add(name="teachers_less_tint")([mean, layers.Rescaling(tint - 1.0)(whole)])
    gap = layers.Subtract(name=TEACHER_GAP)([model.outputs[0], mean])
    return keras.Model(model.input, [*model.outputs, gap], name=model.name)


def widths(network: keras.Model) -> tuple[float, int]:
    """Return alpha and the decoder's width of a fusion network with a MobileNet.

    Raises:
        UsageError: the network has other layers than a fusion network.
    """
    try:
        return (
            network.get_layer("conv1").filters / FIRST_FILTERS,
            int(network.get_layer("encoder_2").filters),
        )
    except ValueError as error:
        raise UsageError(NOT_FUSION) from error


def resized(network: keras.Model, size: int | None, *, name: str = "fusion") -> keras.Model:
    """Return the same network, with the same weights, for pictures of another size; None: any.

    Raises:
        UsageError: the network has other layers than a fusion network.
    """
    blocks = efficientnet.blocks_in(network)
    try:
        if blocks:
            width = int(network.get_layer("encoder_2").filters)
            twin = build_network(1.0, width=width, size=size, blocks=blocks, name=name)
        else:
            alpha, width = widths(network)
            twin = build_network(alpha, width=width, size=size, name=name)
        twin.set_weights(network.get_weights())
    except ValueError as error:
        raise UsageError(NOT_FUSION) from error
    return twin
