"""Training on several devices of one host, by the backend's own data parallelism.

`--batch` stays the number of photographs in a step; every device takes an equal share of them. TensorFlow
copies the network to each device (`tf.distribute.MirroredStrategy`), adds up the gradients and takes batch
norm's statistics on each device's share. JAX lays one computation out over the devices
(`keras.distribution`), so nothing but the order of sums differs from one device. On PyTorch Keras trains on
one device alone.

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
    """The context in which a model is built, compiled, trained and read.

    Args:
        devices: "one", or "all" for every device of the fastest kind that the backend finds.
        batch: photographs in a step, over all devices.
        say: takes the line that says how many replicas train.

    Raises:
        UsageError: another word, a backend without data parallelism, several hosts, or a batch that cannot be
            shared equally.
    """
    if devices == ONE:
        return nullcontext()
    if devices != ALL:
        raise UsageError(f"--devices {devices}: expected {ONE} or {ALL}.")
    backend = keras.backend.backend()
    if backend not in _BACKENDS:
        raise UsageError(
            f"--devices all: Keras trains on one device alone with {backend}. "
            "Leave it out, or set KERAS_BACKEND to tensorflow or jax."
        )
    names, opened = _BACKENDS[backend]()
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
    return opened()


def clip_norm(norm: float) -> float:
    """The norm for the optimizer's `global_clipnorm` in this context.

    TensorFlow's replicas clip before they add up, and what each holds is its share of the mean gradient.
    """
    if keras.backend.backend() != "tensorflow":
        return norm
    import tensorflow as tf

    return norm / int(tf.distribute.get_strategy().num_replicas_in_sync)


def _tensorflow() -> tuple[list[str], Callable[[], Scope]]:
    import tensorflow as tf

    hosts = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().as_dict()
    if sum(map(len, hosts.values())) > 1:
        raise UsageError("--devices all: TF_CONFIG names several hosts; training uses one. Unset TF_CONFIG.")
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [device.name for device in found]
    # keras.distribution does nothing with TensorFlow, and does not say so.
    return [n.removeprefix("/device:") for n in names], lambda: tf.distribute.MirroredStrategy(names).scope()


def _jax() -> tuple[list[str], Callable[[], Scope]]:
    names = keras.distribution.list_devices()
    return names, lambda: keras.distribution.DataParallel(devices=names).scope()


_BACKENDS: dict[str, Callable[[], tuple[list[str], Callable[[], Scope]]]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
}
