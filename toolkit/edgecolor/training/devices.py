"""Training on several devices of one host, by TensorFlow's data parallelism.

`--batch` stays the number of photographs in a step; every device takes an equal share of them.
`tf.distribute.MirroredStrategy` copies the network to each device, adds up the gradients and takes batch norm
statistics from each device's share. `keras.distribution` does nothing with TensorFlow, and does not say so.

The choice is no part of the recipe: it says where a run is computed and not what, and a run may be resumed on
another number of devices.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from edgecolor_runtime.errors import UsageError

ONE = "one"
ALL = "all"

Scope = AbstractContextManager[Any]


def scope(devices: str, batch: int, say: Callable[[str], None]) -> Scope:
    """The context in which a model is built and compiled; it then trains where it was built.

    Args:
        devices: "one", or "all" for every GPU, or every CPU device where there is no GPU.
        batch: photographs in a step, over all devices.
        say: takes the line that says how many replicas train.

    Raises:
        UsageError: another word, another backend than TensorFlow, several hosts, or a batch that cannot be
            shared equally.
    """
    if devices == ONE:
        return nullcontext()
    if devices != ALL:
        raise UsageError(f"--devices {devices}: expected {ONE} or {ALL}.")
    if (backend := keras.backend.backend()) != "tensorflow":
        raise UsageError(
            f"--devices all needs TensorFlow, and Keras runs on {backend}. Set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    hosts = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().as_dict()
    if sum(map(len, hosts.values())) > 1:
        raise UsageError("--devices all: TF_CONFIG names several hosts; training uses one. Unset TF_CONFIG.")
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [device.name.removeprefix("/device:") for device in found]
    listed = ", ".join(names)
    if len(names) == 1:
        say(f"1 device found: {listed}. Training goes on as without --devices all.")
        return nullcontext()
    if batch % len(names):
        raise UsageError(
            f"A batch of {batch} photographs cannot be shared equally by {len(names)} devices ({listed}). "
            f"Name a --batch that is a multiple of {len(names)}."
        )
    say(f"{len(names)} replicas train, on {listed}: each takes {batch // len(names)} of a batch of {batch}")
    scoped: Scope = tf.distribute.MirroredStrategy(names).scope()
    return scoped


def clip_norm(norm: float) -> float:
    """The norm for the optimizer's `global_clipnorm` in this context.

    TensorFlow's replicas clip before they add up, and what each holds is its share of the mean gradient.
    """
    if keras.backend.backend() != "tensorflow":
        return norm
    import tensorflow as tf

    return norm / int(tf.distribute.get_strategy().num_replicas_in_sync)
