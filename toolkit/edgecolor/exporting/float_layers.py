"""Choose the fewest layers of an int8 file that must stay in float for the file to pass its gate.

The cost of a layer is the error at the network's output when this layer alone is int8 and all others are
float. Two layers that spoil a picture together therefore both show a cost, although taking only one of them
out of int8 would change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

MAX_FLOAT_LAYER_SHARE = 0.25
"""Largest share of the layers that may stay in float in a file that is still called int8."""

Layers = Iterable[str]


def fewest_float_layers(
    layers: Sequence[str], cost: Callable[[Layers], float], suffices: Callable[[Layers], bool]
) -> tuple[str, ...]:
    """Add layers in the order of their cost until they suffice, then drop those that are not needed.

    Args:
        layers: names of all layers, in the order in which they run.
        cost: returns the error of the output with the named layers in float.
        suffices: returns whether a file with the named layers in float passes its gate.

    Returns:
        Names in the order of the network; empty if `MAX_FLOAT_LAYER_SHARE` of the layers do not suffice.
    """
    cost_alone = {layer: cost([other for other in layers if other != layer]) for layer in layers}
    ranked = sorted(layers, key=lambda layer: -cost_alone[layer])
    for count in range(1, 1 + max(1, int(MAX_FLOAT_LAYER_SHARE * len(layers)))):
        if suffices(ranked[:count]):
            break
    else:
        return ()
    chosen = ranked[:count]
    for layer in reversed(
        ranked[: count - 1]
    ):  # the last one is needed: without it the others did not suffice
        fewer = [other for other in chosen if other != layer]
        if suffices(fewer):
            chosen = fewer
    return tuple(layer for layer in layers if layer in chosen)
