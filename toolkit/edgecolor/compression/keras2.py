"""The network under Keras 2, which tensorflow-model-optimization needs for pruning.

That library works only with `tf_keras`. The layers are built there under the same names, and the weights are
copied layer by layer. No other module imports either library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from edgecolor_runtime.errors import UsageError

LAYER_TYPES = (
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
"""The layers of a fusion network."""

LAYER_ARGUMENTS = (
    "activation",
    "epsilon",
    "filters",
    "interpolation",
    "keepdims",
    "kernel_size",
    "max_value",
    "momentum",
    "name",
    "padding",
    "size",
    "strides",
    "use_bias",
)
"""The arguments that both versions of Keras know and that decide the output."""

MASK_UPDATES = 50  # times that pruning chooses which weights are 0

WrapLayer = Callable[[Any], Any]  # takes a Keras 2 layer, returns the layer that takes its place


def tf_keras() -> Any:
    """Return Keras 2."""
    import tf_keras as module

    return module


def to_keras2(network: keras.Model, name: str, wrap: WrapLayer = lambda layer: layer) -> Any:
    """Return the same network, with the same weights, under Keras 2.

    Args:
        network: a functional Keras 3 model that uses no layer twice.
        name: of the Keras 2 model.
        wrap: replaces each Keras 2 layer.

    Raises:
        UsageError: a layer is not one of `LAYER_TYPES`.
    """
    tensors: dict[int, Any] = {}  # id of a Keras 3 tensor -> Keras 2 tensor
    twins: dict[str, Any] = {}
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            tensors[id(layer.output)] = tf_keras().Input(layer.output.shape[1:], name=layer.name)
            continue
        twins[layer.name] = _twin(layer)
        many = isinstance(layer.input, list)
        inputs = [tensors[id(t)] for t in (layer.input if many else [layer.input])]
        tensors[id(layer.output)] = wrap(twins[layer.name])(inputs if many else inputs[0])
    for layer in network.layers:
        if layer.weights:
            twins[layer.name].set_weights(layer.get_weights())
    return tf_keras().Model(tensors[id(network.input)], tensors[id(network.output)], name=name)


def _twin(layer: Any) -> Any:
    # By the name of a base class, because a subclass of ours computes the same.
    kind = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in LAYER_TYPES), None)
    if kind is None:
        raise UsageError(f"A {type(layer).__name__} cannot be pruned: a fusion network has no such layer.")
    config = layer.get_config()
    arguments = {name: config[name] for name in LAYER_ARGUMENTS if name in config}
    return getattr(tf_keras().layers, kind)(**arguments)


def add_magnitude_pruning(
    is_chosen: Callable[[str], bool], *, sparsity: float, two_four: bool, steps: int
) -> WrapLayer:
    """Return a function for `to_keras2` that makes kernels be pruned by magnitude while they train.

    Args:
        is_chosen: takes the name of a layer and returns whether it is pruned.
        sparsity: share of zeros in each of their kernels at the end.
        two_four: set two of every four weights along the input channels to 0 instead.
        steps: number of training steps after which the zeros stay where they are.
    """
    from tensorflow_model_optimization.sparsity import keras as sparsity_keras

    arguments: dict[str, Any] = {"sparsity_m_by_n": (2, 4)} if two_four else {}
    frequency = max(1, steps // MASK_UPDATES)
    last = steps - steps % frequency  # a schedule that ends between two updates does not reach its sparsity
    schedule = (
        sparsity_keras.ConstantSparsity(0.5, 0, last, frequency=frequency)
        if two_four
        # Zhu and Gupta, "To prune, or not to prune", 2017 (arXiv:1710.01878), equation 1.
        else sparsity_keras.PolynomialDecay(sparsity / 2, sparsity, 0, last, frequency=frequency)
    )

    def wrap(layer: Any) -> Any:
        if not is_chosen(layer.name):
            return layer
        return sparsity_keras.prune_low_magnitude(layer, schedule, **arguments)

    return wrap


def pruning_callback() -> Any:
    """Return the callback that `fit` needs to advance the pruning schedule."""
    from tensorflow_model_optimization.sparsity import keras as sparsity_keras

    return sparsity_keras.UpdatePruningStep()


def batch_callback(after_batch: Callable[[int, float], None]) -> Any:
    """Return a callback that passes on the number of batches that are done, and the mean loss."""
    return tf_keras().callbacks.LambdaCallback(
        on_batch_end=lambda batch, logs: after_batch(batch + 1, logs["loss"])
    )


def make_loss_metrics(model: Any) -> None:
    """Make the variables that hold the mean losses of a compiled Keras 2 model.

    Keras would make them in the first training step. TensorFlow traces a step that makes variables twice,
    which takes seconds.
    """
    shapes = [(1, *(side or 8 for side in output.shape[1:])) for output in model.outputs]
    outputs = [keras.ops.zeros(shape) for shape in shapes]
    model.compiled_loss(outputs, outputs)
    model.reset_metrics()


def copy_weights_back(twin: Any, network: keras.Model) -> None:
    """Copy the weights of a Keras 2 network, pruned or not, into the Keras 3 network."""
    for layer in twin.layers:
        inner = getattr(layer, "layer", layer)
        if inner.weights:
            count = len(network.get_layer(inner.name).weights)
            # The mask and the threshold of a pruning wrapper follow the layer's own weights.
            network.get_layer(inner.name).set_weights(inner.get_weights()[:count])
