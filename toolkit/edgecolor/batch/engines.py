"""The engines that color a batch of pictures, and which of them a run may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecolor.batch.plan import ColoringOptions, PictureJob, PictureResult
    from edgecolor_runtime.models.model_file import ModelFile

    ColorAll = Callable[
        [ModelFile, Sequence[PictureJob], ColoringOptions, Callable[[PictureResult], None]], None
    ]


class Engine(str, Enum):
    """What colors the pictures: the threads of this process, or a Ray cluster.

    With RAY the cluster is that at RAY_ADDRESS; without this variable Ray starts processes on this machine.
    """

    LOCAL = "local"
    RAY = "ray"

    def __str__(self) -> str:
        return self.value


def load_engine(engine: Engine, *, into_folder: bool, workers: int | None, delegate: str | None) -> ColorAll:
    """Return the function of an engine that colors pictures.

    Args:
        engine: the engine.
        into_folder: whether the results go to a folder of their own.
        workers: number of CPU cores that was asked for, if any.
        delegate: the delegate that was asked for, if any.

    Raises:
        UsageError: the engine does not support these options.
        MissingError: Ray is not installed.
    """
    from edgecolor.support.extras import need_module
    from edgecolor_runtime.errors import UsageError

    if engine is Engine.LOCAL:
        from edgecolor.batch import local_engine

        return local_engine.color_all
    if not into_folder:
        raise UsageError("--engine ray is for a folder, or several photos, and a folder named with -o")
    if delegate:
        raise UsageError("--delegate is for --engine local")
    if workers and "RAY_ADDRESS" in os.environ:
        raise UsageError("--threads is for this machine; a Ray cluster uses all of its cores")
    for module in ("ray", "pyarrow"):
        need_module("run --engine ray", module, extra="ray")
    from edgecolor.batch import ray_engine

    return ray_engine.color_all
