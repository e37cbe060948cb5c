"""Which layers of an int8 file to leave in float so that it passes its gate: the fewest that do.

A layer's cost is the error at the network's output when it alone is int8 and all others are float. So two
layers that spoil a picture together both show, where taking one of them out of int8 would change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgecolor.verify import raw_table
from edgecolor_runtime.color import U8
from edgecolor_runtime.interpreter import load_interpreter
from edgecolor_runtime.preprocess import INPUT_SHAPE

MOST = 0.25  # of the layers; a file with more of them in float is no int8 file any more
RUNS = 25  # of each file, for its median time

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


def time_ratio(one: bytes, other: bytes, picture: U8) -> float:
    """Median time of a run of one int8 file over that of another; their runs take turns, on one thread.

    Args:
        one: a TFLite file.
        other: a TFLite file.
        picture: uint8 (224, 224), what they see.
    """
    files = [load_interpreter(flatbuffer) for flatbuffer in (one, other)]
    seen = [raw_table(file.input)[picture].reshape(INPUT_SHAPE) for file in files]
    seconds = np.empty((RUNS, 2))
    for row in seconds:
        for i in (0, 1):
            begun = time.perf_counter()
            files[i](seen[i])
            row[i] = time.perf_counter() - begun
    mine, theirs = np.median(seconds, axis=0)
    return round(float(mine / theirs), 2)
