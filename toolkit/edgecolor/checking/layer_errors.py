"""Measure the error of each layer of an exported file against the float network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecolor.network.float_network import FloatNetwork
from edgecolor.tflite.graph import Graph, layer_of
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.inference.interpreter import load_tracer
from edgecolor_runtime.inference.preprocess import build_input_table
from edgecolor_runtime.models.signature import INPUT_SHAPE


@dataclass(frozen=True)
class LayerError:
    """The output of one operator against the float activation of the Keras layer that it ends.

    The error is what all operators up to this one have added, not what this operator alone adds.

    Attributes:
        layer: the Keras layer.
        operator: the TFLite operator.
        error: root mean square of the difference.
        signal: root mean square of the float activation.
    """

    layer: str
    operator: str
    error: float
    signal: float

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio in dB; infinite without a difference."""
        return float(20 * np.log10(self.signal / self.error)) if self.error else float("inf")


def measure_layer_errors(flatbuffer: bytes, network: FloatNetwork, gray: U8) -> list[LayerError]:
    """Compare the layers, in the order in which the operators run.

    Args:
        flatbuffer: of the exported file.
        network: the float network that it was made from.
        gray: uint8 (n, 224, 224).

    Returns:
        One entry for each operator whose output is the output of a layer. An operator inside a layer, such
        as the first of two additions of three terms, has no float activation to compare with.
    """
    model = TfliteModel(flatbuffer)
    layer_of_tensor = _match_tensors(model.graph, network.network)
    activations = network.activations(gray, sorted(set(layer_of_tensor.values())))
    trace = load_tracer(flatbuffer)
    table = build_input_table(model.interpreter.input)
    squared = {tensor: np.zeros(2) for tensor in layer_of_tensor}  # of the differences and of the activations
    for index, picture in enumerate(gray):
        computed = trace(table[picture].reshape(INPUT_SHAPE))
        for tensor, layer in layer_of_tensor.items():
            activation = activations[layer][index : index + 1]
            difference = (computed[tensor] - activation).astype(np.float64)
            squared[tensor] += (np.square(difference).mean(), np.square(activation, dtype=np.float64).mean())
    operators = {op.outputs[0].name: op.name for op in model.graph.operators}
    return [
        LayerError(layer, operators[tensor], *map(float, np.sqrt(squared[tensor] / len(gray))))
        for tensor, layer in layer_of_tensor.items()
    ]


def _match_tensors(graph: Graph, network: Any) -> dict[str, str]:
    """Return output tensor -> the Keras layer that ends in it, for the last operator of each layer."""
    single = [layer for layer in network.layers if _is_single(layer)]
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in single}
    output_layer = next((layer.name for layer in single if layer.output is network.outputs[0]), "")
    last_tensor: dict[str, str] = {}
    for operator in graph.operators:
        output = operator.outputs[0]
        layer = output_layer if output in graph.outputs else layer_of(output.name)
        # A later operator that begins with the same layer, or is fused with its end, ends the layer.
        for part in output.name.split(";")[1:]:
            last_tensor.pop(layer_of(part), None)
        if _fits(output.shape[1:], shapes.get(layer)):
            last_tensor[layer] = output.name
        else:
            last_tensor.pop(layer, None)
    return {tensor: layer for layer, tensor in last_tensor.items()}


def _is_single(layer: Any) -> bool:
    """Return whether a layer is used once and has one output."""
    return len(layer._inbound_nodes) == 1 and not isinstance(layer.output, (list, tuple))


def _fits(shape: tuple[int, ...], layer_shape: tuple[int | None, ...] | None) -> bool:
    return (
        layer_shape is not None
        and len(shape) == len(layer_shape)
        and all(b in (None, a) for a, b in zip(shape, layer_shape, strict=True))
    )
