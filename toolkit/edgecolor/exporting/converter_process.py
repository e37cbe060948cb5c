"""The child process of `convert.py`, which describes its folder: all that needs TensorFlow's converter."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgecolor.data.calibration import read_check_set, representative
from edgecolor.exporting.bias_correction import correct_output
from edgecolor.exporting.conversion import CALIBRATED
from edgecolor.exporting.float_layers import fewest_float_layers
from edgecolor.exporting.gates import measure, passes
from edgecolor.exporting.rounding import round_kernels
from edgecolor.support.timing import ratios
from edgecolor.tflite.graph import read_graph
from edgecolor.tflite.latency import invoke_times
from edgecolor.tflite.runner import outputs
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import EdgecolorError, GateError, UsageError
from edgecolor_runtime.inference.preprocess import network_input
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.models.signature import INPUT_SHAPE

BATCH = 16  # pictures at a time through the float network
RANKED_BY = 8  # calibration pictures that tell what a layer costs


def main(folder: Path) -> None:
    """Does the job that lies in a folder; an error of our tree is left there for the parent."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    try:
        facts = _TASKS[job["task"]](folder, job)
    except EdgecolorError as error:
        told = {"kind": type(error).__name__, "text": str(error)}
        (folder / "error.json").write_text(json.dumps(told), encoding="utf-8")
        return
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def _convert(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    from edgecolor.network.keras_file import load_network

    network = load_network(job["model"])
    gray: U8 = np.load(folder / "gray.npy")
    np.save(folder / "reference.npy", _answers(network, gray))
    np.save(folder / "check.npy", _answers(network, read_check_set().gray))
    precision = Precision(job["precision"])
    if precision in CALIBRATED:
        round_kernels(network, network_input(gray))
    network.save(folder / "model.keras")
    if job["float_layers"]:
        flatbuffer = Quantizer(network, gray)(job["float_layers"])
    else:
        flatbuffer = _flatbuffer(network, gray, precision)
    (folder / "model.tflite").write_bytes(flatbuffer)
    for i in (0, 1) if job["halves"] else ():
        half = _flatbuffer(network, gray[i::2], precision)
        (folder / f"half-{i}.tflite").write_bytes(half)
    return _facts(network)


def _repair(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    from edgecolor.network.keras_file import load_network

    gray, reference = np.load(folder / "gray.npy"), np.load(folder / "reference.npy")
    check, check_reference = read_check_set().gray, np.load(folder / "check.npy")
    quantize = Quantizer(load_network(folder / "model.keras"), gray)
    some = slice(None, None, max(1, len(gray) // RANKED_BY))

    def cost(float_layers: Iterable[str]) -> float:
        answers = outputs(quantize(float_layers), gray[some])
        return measure(answers, reference[some]).ab_difference

    def finished(float_layers: Iterable[str]) -> bytes:
        return correct_output(quantize(float_layers), gray, reference)

    def suffices(float_layers: Iterable[str]) -> bool:
        return passes(measure(outputs(finished(float_layers), check), check_reference), Precision.INT8)

    found = fewest_float_layers(quantize.layers, cost, suffices)
    repaired = finished(found)
    (folder / "model.tflite").write_bytes(repaired)
    times = invoke_times({"repaired": repaired, "int8": quantize(())})
    return {
        "float_layers": found,
        "layers": len(quantize.layers),
        "time_ratio": round(ratios(times["repaired"], times["int8"]).median, 2),
    }


_TASKS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {"convert": _convert, "repair": _repair}


def _answers(network: Any, gray: U8) -> F32:
    parts = [gray[i : i + BATCH] for i in range(0, len(gray), BATCH)]
    return np.concatenate([np.asarray(network(network_input(p), training=False), np.float32) for p in parts])


def _converter(network: Any) -> Any:
    import tensorflow as tf

    # A concrete function fixes the batch of one and the size, also of a network built for any size.
    spec = tf.TensorSpec(INPUT_SHAPE, tf.float32, name="L")
    function = tf.function(lambda x: network(x, training=False)).get_concrete_function(spec)
    # The Keras 3 model as second argument would silently leave the weights out.
    return tf.lite.TFLiteConverter.from_concrete_functions([function])


def _flatbuffer(network: Any, gray: U8, precision: Precision) -> bytes:
    import tensorflow as tf

    converter = _converter(network)
    _OPTIONS[precision](tf, converter, gray)
    try:
        flatbuffer: bytes = converter.convert()
    except Exception as error:  # MLIR raises one class of its own for everything
        raise _refusal(error, precision) from error
    return flatbuffer


def _refusal(error: Exception, precision: Precision) -> GateError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = next((line for line in lines if "error" in line), lines[0])[:300]
    return GateError(f"TensorFlow Lite cannot express this network as {precision}: {reason}")


def _int8(tf: Any, converter: Any, gray: U8) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: representative(gray)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


def _int16x8(tf: Any, converter: Any, gray: U8) -> None:
    # The ends stay float32: an int16 input would bring nothing but a dtype more on the device.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: representative(gray)
    both = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [both]


def _float16(tf: Any, converter: Any, gray: U8) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic(tf: Any, converter: Any, gray: U8) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _float32(tf: Any, converter: Any, gray: U8) -> None:
    pass


_OPTIONS: dict[Precision, Callable[[Any, Any, U8], None]] = {
    Precision.INT8: _int8,
    Precision.INT16X8: _int16x8,
    Precision.FLOAT32: _float32,
    Precision.FLOAT16: _float16,
    Precision.DYNAMIC: _dynamic,
}


class Quantizer:
    """A network to int8, again and again with other layers left in float; it is calibrated only once.

    This is TensorFlow's `QuantizationDebugger`. Its per-layer statistics are not used: they compare a layer's
    own output, and we ask what the layer costs at the network's.

    Attributes:
        layers: names of all layers, in the order they run.
    """

    def __init__(self, network: Any, gray: U8) -> None:
        import tensorflow as tf

        converter = _converter(network)
        _int8(tf, converter, gray)
        self._options = tf.lite.experimental.QuantizationDebugOptions(fully_quantize=True)
        try:
            self._debugger = tf.lite.experimental.QuantizationDebugger(
                converter=converter,
                debug_dataset=lambda: representative(gray),
                debug_options=self._options,
            )
        except Exception as error:
            raise _refusal(error, Precision.INT8) from error
        self._nodes: dict[str, list[str]] = {}
        for operator in read_graph(self._debugger.calibrated_model).operators:
            self._nodes.setdefault(operator.last_layer, []).append(operator.outputs[0].name)
        self.layers = list(self._nodes)

    def __call__(self, float_layers: Iterable[str]) -> bytes:
        """The int8 file with these layers in float; its ends are int8 in any case."""
        names = list(float_layers)
        if unknown := [name for name in names if name not in self._nodes]:
            raise UsageError(f"The network has no layer {', '.join(unknown)} to leave in float.")
        self._options.denylisted_nodes = [node for name in names for node in self._nodes[name]] or None
        flatbuffer: bytes = self._debugger.get_nondebug_quantized_model()
        return flatbuffer


def _facts(network: Any) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    import edgecolor
    from edgecolor.network.fusion import FIRST_FILTERS

    kernels = [w for w in network.weights if len(w.shape) >= 2]
    first = next((layer for layer in network.layers if layer.name == "conv1"), None)  # of the MobileNet
    return {
        "parameters": int(network.count_params()),
        "kernel_values": int(sum(np.prod(w.shape) for w in kernels)),
        "alpha": 0.0 if first is None else first.filters / FIRST_FILTERS,
        "created_by": ", ".join(
            f"{module.__name__} {module.__version__}" for module in (edgecolor, tf, keras)
        ),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
