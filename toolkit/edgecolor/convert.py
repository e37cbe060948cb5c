"""Keras to a TFLite flatbuffer, in a child process.

The converter leaks memory over many conversions and writes to stderr whatever it likes; a process of its own
gives the memory back and keeps the log out of sight. Parent and child share a folder:

    job.json        in    model, precision
    gray.npy        in    uint8 (n, 224, 224): the calibration pictures
    model.tflite    out   the flatbuffer
    reference.npy   out   float32 (n, 56, 56, 2): what the float network says to these pictures, in [-1, 1]
    facts.json      out   parameters, kernels, versions
    error.json      out   instead of these, an error of our own tree
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecolor.calibration import network_input, representative
from edgecolor.rounding import round_kernels
from edgecolor_runtime import errors
from edgecolor_runtime.color import F32, U8
from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError
from edgecolor_runtime.preprocess import INPUT_SHAPE

PRECISIONS = ("int8", "float32", "float16", "dynamic")

BATCH = 16  # pictures at a time through the float network


@dataclass(frozen=True)
class Conversion:
    """What a conversion gives.

    Attributes:
        flatbuffer: the TFLite file.
        reference: float32 (n, 56, 56, 2) in [-1, 1], the float network's outputs for the pictures.
        parameters: of the Keras network.
        kernel_values: how many of them are convolution kernels; the file must hold all of these.
        alpha: width multiplier of the MobileNet branch; 0 where there is none.
        created_by: versions of what did the work.
    """

    flatbuffer: bytes
    reference: F32
    parameters: int
    kernel_values: int
    alpha: float
    created_by: str


def need_tensorflow() -> None:
    """Makes sure that the child can do its work.

    Raises:
        MissingError: TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingError("`edgecolor export` needs TensorFlow: pip install 'edgecolor[train]'")


def convert(model: Path, gray: U8, precision: str, folder: Path) -> Conversion:
    """Converts a .keras file in a child process.

    Args:
        model: the .keras file.
        gray: uint8 (n, 224, 224), the calibration pictures.
        precision: one of PRECISIONS.
        folder: an empty folder for the exchange.

    Raises:
        ModelFileError: not a Keras file of this signature.
        GateError: the converter refuses the network.
    """
    job = {"model": str(model), "precision": precision}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    np.save(folder / "gray.npy", gray)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    quiet["PYTHONSAFEPATH"] = "1"  # a keras.py in the user's folder is not imported for Keras
    command = [sys.executable, "-m", "edgecolor.convert", str(folder)]
    child = subprocess.run(
        command, check=False, env=os.environ | quiet, capture_output=True, text=True, errors="replace"
    )
    if (folder / "error.json").is_file():
        error = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        raise getattr(errors, error["kind"])(error["text"])
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"it ended with {child.returncode}"])[-1]
        raise EdgecolorError(f"{model}: the conversion failed: {last}")
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return Conversion((folder / "model.tflite").read_bytes(), np.load(folder / "reference.npy"), **facts)


def _child(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    gray: U8 = np.load(folder / "gray.npy")
    try:
        from edgecolor.network import load_network

        network = load_network(job["model"])
        np.save(folder / "reference.npy", _run(network, gray))
        if job["precision"] == "int8":
            round_kernels(network, network_input(gray))
        flatbuffer = _flatbuffer(network, gray, job["precision"])
    except EdgecolorError as error:
        told = {"kind": type(error).__name__, "text": str(error)}
        (folder / "error.json").write_text(json.dumps(told), encoding="utf-8")
        return
    (folder / "model.tflite").write_bytes(flatbuffer)
    (folder / "facts.json").write_text(json.dumps(_facts(network)), encoding="utf-8")


def _run(network: Any, gray: U8) -> F32:
    parts = [gray[i : i + BATCH] for i in range(0, len(gray), BATCH)]
    return np.concatenate([np.asarray(network(network_input(p), training=False), np.float32) for p in parts])


def _flatbuffer(network: Any, gray: U8, precision: str) -> bytes:
    import tensorflow as tf

    # A concrete function fixes the batch of one and the size, also of a network built for any size.
    spec = tf.TensorSpec(INPUT_SHAPE, tf.float32, name="L")
    function = tf.function(lambda x: network(x, training=False)).get_concrete_function(spec)
    # The Keras 3 model as second argument would silently leave the weights out.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    _OPTIONS[precision](tf, converter, gray)
    try:
        flatbuffer: bytes = converter.convert()
    except Exception as error:  # MLIR raises one class of its own for everything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = next((line for line in lines if "error" in line), lines[0])[:300]
        raise GateError(f"TensorFlow Lite cannot express this network as {precision}: {reason}") from error
    return flatbuffer


def _int8(tf: Any, converter: Any, gray: U8) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: representative(gray)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


def _float16(tf: Any, converter: Any, gray: U8) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic(tf: Any, converter: Any, gray: U8) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _float32(tf: Any, converter: Any, gray: U8) -> None:
    pass


_OPTIONS: dict[str, Callable[[Any, Any, U8], None]] = {
    "int8": _int8,
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
}


def _facts(network: Any) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    import edgecolor

    kernels = [w for w in network.weights if len(w.shape) >= 2]
    first = next((layer for layer in network.layers if layer.name == "conv1"), None)  # of the MobileNet
    return {
        "parameters": int(network.count_params()),
        "kernel_values": int(sum(np.prod(w.shape) for w in kernels)),
        "alpha": 0.0 if first is None else first.filters / 32,
        "created_by": ", ".join(
            f"{module.__name__} {module.__version__}" for module in (edgecolor, tf, keras)
        ),
    }


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
