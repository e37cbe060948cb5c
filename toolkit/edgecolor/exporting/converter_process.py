"""Run TensorFlow's converter, in the child process of `conversion.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgecolor.data.calibration import read_check_set, representative
from edgecolor.exporting.bias_correction import correct_model
from edgecolor.exporting.float_layers import fewest_float_layers
from edgecolor.exporting.gates import measure_fidelity, passes
from edgecolor.exporting.rounding import round_kernels
from edgecolor.exporting.stages import CALIBRATED
from edgecolor.network.float_network import FloatNetwork
from edgecolor.support.child_process import answer_request
from edgecolor.support.timing import ratios
from edgecolor.tflite.graph import read_graph
from edgecolor.tflite.latency import invoke_times
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import GateError, UsageError
from edgecolor_runtime.inference.preprocess import network_input
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.models.signature import INPUT_SHAPE

RANKING_PICTURES = 8  # calibration pictures that measure what a layer costs


def answer(request: Any, send: Callable[[object], None]) -> dict[str, object]:
    """Do one task of `conversion.py`; request and result are JSON objects."""
    options = dict(request)
    return _TASKS[options.pop("task")](Path(options.pop("folder")), **options)


def _convert(
    folder: Path, *, model: str, precision: str, float_layers: list[str], halves: bool
) -> dict[str, object]:
    from edgecolor.network.keras_file import load_network

    network = load_network(model)
    source = FloatNetwork(network)
    gray: U8 = np.load(folder / "gray.npy")
    np.save(folder / "reference.npy", source.outputs(gray))
    np.save(folder / "check.npy", source.outputs(read_check_set().gray))
    target = Precision(precision)
    if target in CALIBRATED:
        round_kernels(network, network_input(gray))
    network.save(folder / "model.keras")
    if float_layers:
        flatbuffer = Quantizer(network, gray).quantize(float_layers)
    else:
        flatbuffer = _flatbuffer(network, gray, target)
    (folder / "model.tflite").write_bytes(flatbuffer)
    for i in (0, 1) if halves else ():
        half = _flatbuffer(network, gray[i::2], target)
        (folder / f"half-{i}.tflite").write_bytes(half)
    return _describe(network)


def _repair(folder: Path) -> dict[str, object]:
    from edgecolor.network.keras_file import load_network

    gray, reference = np.load(folder / "gray.npy"), np.load(folder / "reference.npy")
    check, check_reference = read_check_set().gray, np.load(folder / "check.npy")
    quantizer = Quantizer(load_network(folder / "model.keras"), gray)
    some = slice(None, None, max(1, len(gray) // RANKING_PICTURES))

    def cost(float_layers: Iterable[str]) -> float:
        outputs = TfliteModel(quantizer.quantize(float_layers)).outputs(gray[some])
        return measure_fidelity(outputs, reference[some]).ab_difference

    def corrected(float_layers: Iterable[str]) -> TfliteModel:
        return correct_model(TfliteModel(quantizer.quantize(float_layers)), gray, reference)

    def suffices(float_layers: Iterable[str]) -> bool:
        outputs = corrected(float_layers).outputs(check)
        return passes(measure_fidelity(outputs, check_reference), Precision.INT8)

    float_layers = fewest_float_layers(quantizer.layers, cost, suffices)
    repaired = corrected(float_layers).flatbuffer
    (folder / "model.tflite").write_bytes(repaired)
    times = invoke_times({"repaired": repaired, "int8": quantizer.quantize(())})
    return {
        "float_layers": float_layers,
        "layers": len(quantizer.layers),
        "time_ratio": round(ratios(times["repaired"], times["int8"]).median, 2),
    }


_TASKS: dict[str, Callable[..., dict[str, object]]] = {"convert": _convert, "repair": _repair}


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
    # Input and output stay float32: int16 would only add one more dtype to the device code.
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
    """Quantizes a network to int8 with any choice of layers left in float; calibrates only once.

    This is TensorFlow's `QuantizationDebugger`. Its per-layer statistics are not used: they compare the
    output of the layer itself, and a repair needs the cost of the layer at the output of the network.

    Attributes:
        layers: names of all layers, in the order in which they run.
    """

    def __init__(self, network: Any, gray: U8) -> None:
        """Calibrate a Keras network with gray pictures, uint8 (n, 224, 224)."""
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

    def quantize(self, float_layers: Iterable[str]) -> bytes:
        """Return the int8 file with these layers in float. Its input and output are int8 in any case."""
        names = list(float_layers)
        if unknown := [name for name in names if name not in self._nodes]:
            raise UsageError(f"The network has no layer {', '.join(unknown)} to leave in float.")
        self._options.denylisted_nodes = [node for name in names for node in self._nodes[name]] or None
        flatbuffer: bytes = self._debugger.get_nondebug_quantized_model()
        return flatbuffer


def _describe(network: Any) -> dict[str, object]:
    """Return the fields of `Source` that are not arrays or files."""
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
    sys.exit(answer_request(answer))
