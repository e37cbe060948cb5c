"""Training on several devices of one host, by TensorFlow's data parallelism.

`--batch` stays the number of photographs in a step. Every device takes an equal share of a batch.
`tf.distribute.MirroredStrategy` copies the network to each device, adds up the gradients, and computes the
statistics of batch normalization from each device's share. `keras.distribution` has no effect with
TensorFlow, and does not report that.

The choice of devices is not part of the recipe. It says where a run is computed, not what. A run may resume
on another number of devices.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from edgecolor.support.progress import PrintLine
from edgecolor_runtime.errors import UsageError

ONE_DEVICE = "one"
ALL_DEVICES = "all"

DeviceScope = AbstractContextManager[Any]


def device_scope(devices: str, batch: int, on_progress: PrintLine) -> DeviceScope:
    """Return the context in which a model is built and compiled. The model then trains on those devices.

    Args:
        devices: "one", or "all" for every GPU, or for every CPU device if there is no GPU.
        batch: photographs in a step, over all devices.
        on_progress: takes the line that names the devices.

    Raises:
        UsageError: `devices` is another word, the backend is not TensorFlow, TF_CONFIG names several hosts,
            or the batch cannot be shared equally.
    """
    if devices == ONE_DEVICE:
        return nullcontext()
    if devices != ALL_DEVICES:
        raise UsageError(f"--devices {devices}: expected {ONE_DEVICE} or {ALL_DEVICES}.")
    if (backend := keras.backend.backend()) != "tensorflow":
        raise UsageError(
            f"--devices all needs TensorFlow, but Keras runs on {backend}. Set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    hosts = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().as_dict()
    if sum(map(len, hosts.values())) > 1:
        raise UsageError("--devices all: TF_CONFIG names several hosts; training uses one. Unset TF_CONFIG.")
    logical = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [device.name.removeprefix("/device:") for device in logical]
    listed = ", ".join(names)
    if len(names) == 1:
        on_progress(f"this machine has 1 device, {listed}: --devices all has no effect")
        return nullcontext()
    if batch % len(names):
        raise UsageError(
            f"A batch of {batch} photographs cannot be shared equally by {len(names)} devices ({listed}). "
            f"Set --batch to a multiple of {len(names)}."
        )
    on_progress(f"training on {listed}: each takes {batch // len(names)} of a batch of {batch}")
    strategy_scope: DeviceScope = tf.distribute.MirroredStrategy(names).scope()
    return strategy_scope


def clip_norm(norm: float) -> float:
    """Return the value of the optimizer's `global_clipnorm` that clips gradients at `norm` in this context.

    TensorFlow's replicas clip before the gradients are added up. Each replica holds its share of the mean
    gradient.
    """
    if keras.backend.backend() != "tensorflow":
        return norm
    import tensorflow as tf

    return norm / int(tf.distribute.get_strategy().num_replicas_in_sync)
