"""Make tiny-int8.tflite for tests: an int8 graph with the real signature and random weights.

Run from the repository root: python tests/edge_runtime/data/make_tiny.py
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.inference.interpreter import load_interpreter
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT, quantize
from edgecolor_runtime.inference.tensor import TensorInfo
from edgecolor_runtime.models.info import ModelInfo, Precision, TensorDescription
from edgecolor_runtime.models.model_file import Golden, pack
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SHAPE, OUTPUT_SHAPE

keras.utils.set_random_seed(7)
rng = np.random.default_rng(7)


def smooth() -> U8:
    """Return a cloud of grays from black to white that compresses well, shape (224, 224)."""
    coarse = rng.uniform(-40, 295, (8, 8, 1)).astype(np.float32)
    fine = tf.image.resize(coarse, (224, 224), method="bicubic")[..., 0].numpy()
    gray: U8 = np.clip(np.rint(fine), 0, 255).astype(np.uint8)
    return gray


entry = keras.Input(INPUT_SHAPE[1:])
x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(entry)
x = keras.layers.Conv2D(8, 3, strides=2, activation="relu6")(x)
x = keras.layers.AveragePooling2D(2)(x)
x = keras.layers.Conv2D(2, 3, padding="same", kernel_initializer=keras.initializers.HeNormal(seed=3))(x)
model = keras.Model(entry, keras.layers.Activation("tanh")(x))

grays = [smooth() for _ in range(24)]


def run(values: tf.Tensor) -> tf.Tensor:
    """Return the network to convert."""
    return model(values, training=False)


traced = tf.function(run, input_signature=[tf.TensorSpec(INPUT_SHAPE, tf.float32)])

converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()])
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([NETWORK_INPUT[g].reshape(INPUT_SHAPE)] for g in grays)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
flatbuffer = converter.convert()

interpreter = load_interpreter(flatbuffer)
gray = np.stack(grays[:2])
scale = interpreter.input.scale, interpreter.input.zero_point
exported = np.concatenate(
    [interpreter(quantize(NETWORK_INPUT[g], *scale).reshape(INPUT_SHAPE)) for g in gray]
)
reference = np.concatenate([run(NETWORK_INPUT[g].reshape(INPUT_SHAPE)).numpy() for g in gray])


def described(tensor: TensorInfo, shape: tuple[int, ...], meaning: str) -> TensorDescription:
    """Return what the model file says about one side of the graph."""
    return TensorDescription(shape, meaning, tensor.scale, tensor.zero_point)


info = ModelInfo(
    name="tiny",
    version="1",
    alpha=0.25,
    precision=Precision.INT8,
    input=described(interpreter.input, INPUT_SHAPE, "L* of the gray, [0, 100] scaled to [-1, 1]"),
    output=described(interpreter.output, OUTPUT_SHAPE, "ab / ab_scale"),
    ab_scale=AB_SCALE,
    saturation=1.0,
    parameters=model.count_params(),
    calibration=None,
    training="none: random weights, for tests",
    accuracy={},
    license="Apache-2.0",
    created_by=f"tests, TensorFlow {tf.__version__}",
)
target = Path(__file__).parent / "tiny-int8.tflite"
target.write_bytes(pack(flatbuffer, info, Golden(gray, reference, exported)))
print(
    target.stat().st_size,
    "bytes; mean ab",
    np.abs(reference).mean((0, 1, 2)) * AB_SCALE,
    reference.std() * 100,
)
