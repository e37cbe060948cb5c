"""Where an exported file loses: the error of each layer's output against the float network's."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.tflite.graph import Graph, layer_of, read_graph
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.inference.interpreter import load_interpreter, load_tracer
from edgecolor_runtime.inference.preprocess import input_table, network_input
from edgecolor_runtime.models.signature import INPUT_SHAPE


@dataclass(frozen=True)
class LayerError:
    """One operator's output against the float activation of the Keras layer that it ends in.

    The error is what has gathered up to there, not what this operator alone adds.
    """

    layer: str
    operator: str
    error: float  # root mean square of the difference
    signal: float  # root mean square of the float activation

    @property
    def snr(self) -> float:
        """Signal to noise in dB; infinite where nothing differs."""
        return float(20 * np.log10(self.signal / self.error)) if self.error else float("inf")


def layer_errors(flatbuffer: bytes, network: Any, grays: U8) -> list[LayerError]:
    """Compares layer by layer, in the order in which the operators run.

    Args:
        flatbuffer: of the exported file.
        network: the float Keras model that it was made from.
        grays: 8-bit luma (n, 224, 224).

    Returns:
        Those operators whose output is the output of a layer. What lies inside one, such as the first of two
        additions of three terms, has nothing to compare with.
    """
    graph = read_graph(flatbuffer)
    matched = _matched(graph, network)
    activations = _activations(network, sorted(set(matched.values())))
    trace = load_tracer(flatbuffer)
    table = input_table(load_interpreter(flatbuffer).input)
    squared: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(2))
    for gray in grays:
        computed = trace(table[gray].reshape(INPUT_SHAPE))
        true = activations(network_input(gray[None]))
        for tensor, layer in matched.items():
            off = (computed[tensor] - true[layer]).astype(np.float64)
            squared[tensor] += (np.square(off).mean(), np.square(true[layer], dtype=np.float64).mean())
    operators = {op.outputs[0].name: op.name for op in graph.operators}
    return [
        LayerError(layer, operators[tensor], *map(float, np.sqrt(squared[tensor] / len(grays))))
        for tensor, layer in matched.items()
    ]


def _matched(graph: Graph, network: Any) -> dict[str, str]:
    """An operator's output, by name -> the Keras layer that ends in it; the last operator of each layer."""
    single = [layer for layer in network.layers if _is_single(layer)]
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in single}
    end = next((layer.name for layer in single if layer.output is network.outputs[0]), "")
    last: dict[str, str] = {}
    for operator in graph.operators:
        (output,) = operator.outputs[:1]
        layer = end if output in graph.outputs else layer_of(output.name)
        # A later operator that begins with the same layer, or has fused its end, ends it.
        for part in output.name.split(";")[1:]:
            last.pop(layer_of(part), None)
        if _fits(output.shape[1:], shapes.get(layer)):
            last[layer] = output.name
        else:
            last.pop(layer, None)
    return {tensor: layer for layer, tensor in last.items()}


def _is_single(layer: Any) -> bool:
    return len(layer._inbound_nodes) == 1 and not isinstance(layer.output, (list, tuple))


def _fits(shape: tuple[int, ...], of_layer: tuple[int | None, ...] | None) -> bool:
    return (
        of_layer is not None
        and len(shape) == len(of_layer)
        and all(b in (None, a) for a, b in zip(shape, of_layer, strict=True))
    )


def _activations(network: Any, names: list[str]) -> Any:
    import keras

    inside = keras.Model(network.input, [network.get_layer(name).output for name in names])

    def run(x: Any) -> dict[str, NDArray[np.float32]]:
        values = inside(x, training=False)
        values = values if isinstance(values, (list, tuple)) else [values]
        return {name: np.asarray(value, np.float32) for name, value in zip(names, values, strict=True)}

    return run
