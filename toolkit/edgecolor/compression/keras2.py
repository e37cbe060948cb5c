"""The network under Keras 2, where tensorflow-model-optimization prunes it. Nothing else imports either.

That library speaks only `tf_keras`. The same layers are built there under the same names, and the weights are
carried over layer by layer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import keras

from edgecolor_runtime.errors import UsageError

LAYERS = (
    "Activation",
    "Add",
    "BatchNormalization",
    "Conv2D",
    "DepthwiseConv2D",
    "GlobalAveragePooling2D",
    "ReLU",
    "UpSampling2D",
    "ZeroPadding2D",
)
"""What a fusion network is made of."""

CHOICES = 50  # of what is zero, from the first step to the last one that may choose

# Of a layer's configuration, what both versions of Keras know and what decides its output.
_WORDS = (
    *("activation", "epsilon", "filters", "interpolation", "keepdims", "kernel_size", "max_value"),
    *("momentum", "name", "padding", "size", "strides", "use_bias"),
)


def tf_keras() -> Any:
    """Keras 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tf_keras as module

    return module


def to_legacy(network: keras.Model, name: str, wrap: Callable[[Any], Any] = lambda layer: layer) -> Any:
    """The same network, with the same weights, under Keras 2.

    Args:
        network: a functional Keras 3 model that uses no layer twice.
        name: of the Keras 2 model.
        wrap: takes each Keras 2 layer and gives what stands in its place.

    Raises:
        UsageError: it has a layer that a fusion network has not.
    """
    made: dict[int, Any] = {}
    twins: dict[str, Any] = {}
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            made[id(layer.output)] = tf_keras().Input(layer.output.shape[1:], name=layer.name)
            continue
        twins[layer.name] = _twin(layer)
        many = isinstance(layer.input, list)
        inputs = [made[id(t)] for t in (layer.input if many else [layer.input])]
        made[id(layer.output)] = wrap(twins[layer.name])(inputs if many else inputs[0])
    for layer in network.layers:
        if layer.weights:
            twins[layer.name].set_weights(layer.get_weights())
    return tf_keras().Model(made[id(network.input)], made[id(network.output)], name=name)


def _twin(layer: Any) -> Any:
    # The kind by its Keras name: a subclass of ours computes the same.
    kind = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in LAYERS), None)
    if kind is None:
        raise UsageError(f"A {type(layer).__name__} cannot be pruned: a fusion network has none.")
    config = layer.get_config()
    return getattr(tf_keras().layers, kind)(**{word: config[word] for word in _WORDS if word in config})


def magnitude_pruning(
    chosen: Callable[[str], bool], *, sparsity: float, two_four: bool, steps: int
) -> Callable[[Any], Any]:
    """A `wrap` that prunes kernels by magnitude while they train.

    Args:
        chosen: says by its name whether a layer is pruned.
        sparsity: share of zeros in each of their kernels in the end.
        two_four: instead, two zeros in every four weights along the input channels.
        steps: after these the zeros stay where they are.
    """
    from tensorflow_model_optimization.sparsity import keras as sparsity_keras

    words: dict[str, Any] = {"sparsity_m_by_n": (2, 4)} if two_four else {}
    every = max(1, steps // CHOICES)
    last = steps - steps % every  # a schedule that ends between two choices stops short of its sparsity
    schedule = (
        sparsity_keras.ConstantSparsity(0.5, 0, last, frequency=every)
        if two_four
        # Zhu and Gupta, "To prune, or not to prune", 2017 (arXiv:1710.01878), equation 1.
        else sparsity_keras.PolynomialDecay(sparsity / 2, sparsity, 0, last, frequency=every)
    )

    def wrap(layer: Any) -> Any:
        if not chosen(layer.name):
            return layer
        return sparsity_keras.prune_low_magnitude(layer, schedule, **words)

    return wrap


def pruning_callback() -> Any:
    """What `fit` needs for the schedule to go on."""
    from tensorflow_model_optimization.sparsity import keras as sparsity_keras

    return sparsity_keras.UpdatePruningStep()


def carry_back(legacy: Any, network: keras.Model) -> None:
    """Puts the weights of a Keras 2 twin, pruned or not, into the Keras 3 network."""
    for layer in legacy.layers:
        inner = getattr(layer, "layer", layer)
        if inner.weights:
            count = len(network.get_layer(inner.name).weights)
            # A wrapper's mask and threshold follow the layer's own weights.
            network.get_layer(inner.name).set_weights(inner.get_weights()[:count])
