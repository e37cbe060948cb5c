"""Which layers of an int8 file to leave in float so that it passes its gate: the fewest that do.

A layer's cost is the error at the network's output when it alone is int8 and all others are float. So two
layers that spoil a picture together both show, where taking one of them out of int8 would change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

MOST = 0.25  # of the layers; a file with more of them in float is no int8 file any more

Layers = Iterable[str]


def fewest_float_layers(
    layers: Sequence[str], cost: Callable[[Layers], float], suffices: Callable[[Layers], bool]
) -> tuple[str, ...]:
    """Adds layers in the order of their cost until it suffices, then drops those that are not needed.

    Args:
        layers: names of all layers.
        cost: the output's error with the named layers in float.
        suffices: whether a file with the named layers in float passes its gate.

    Returns:
        Names in the order of the network; empty where `MOST` of the layers do not suffice.
    """
    alone = {layer: cost([other for other in layers if other != layer]) for layer in layers}
    ranked = sorted(layers, key=lambda layer: -alone[layer])
    for count in range(1, 1 + max(1, int(MOST * len(layers)))):
        if suffices(ranked[:count]):
            break
    else:
        return ()
    chosen = ranked[:count]
    for layer in reversed(ranked[: count - 1]):  # the last one was needed: without it, it did not suffice
        fewer = [other for other in chosen if other != layer]
        if suffices(fewer):
            chosen = fewer
    return tuple(layer for layer in layers if layer in chosen)
