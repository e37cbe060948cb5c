"""Replay golden vectors, to see whether this device reproduces the outputs stored in the model file.

Differences are counted in steps of 1/128 of the network's output, the step of an int8 tanh: 0.78 Lab units.
Float outputs are counted in the same unit, which allows one table of limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.errors import GateError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.info import Precision

STEPS_PER_UNIT = 128  # steps in a network output of 1.0
MAX_STEPS = 2.0 * STEPS_PER_UNIT  # from -1 to 1; the difference of a value that is not a finite number


@dataclass(frozen=True)
class ReplayLimits:
    """Largest differences between raw outputs and the exported outputs, in steps."""

    mean: float
    p999: float  # 99.9th percentile
    maximum: float


SAME = ReplayLimits(mean=0, p999=0, maximum=0)
"""For int8 on a CPU with ai-edge-litert. Versions 2.1 and 2.3 give equal integers on x86-64 and arm64."""

FLOAT = ReplayLimits(mean=0.001, p999=0.005, maximum=0.01)
"""For float32 and float16 on a CPU, where the order of sums differs.

tflite-runtime 2.14 differs from litert 2.3 on x86-64 and 36 photographs by 0.000002 steps in the mean and
0.00003 at most. The limits are higher for other processors; a hundredth of a step is not visible.
"""

ROUNDED = ReplayLimits(mean=1.5, p999=10, maximum=14)
"""For kernels that round differently: tflite-runtime, dynamic range, int16x8, int8 with float layers.

tflite-runtime 2.14 differs from litert 2.3 on x86-64, 36 photographs, three int8 files and a dynamic file by
0.17 to 0.27 steps in the mean. The worst photograph has a mean of 1.03, a percentile of 7 and a maximum of 9.
The limits are about 1.5 times these values.
"""

DELEGATED = ReplayLimits(mean=3, p999=20, maximum=28)
"""For an accelerator: twice `ROUNDED`. Not measured, because no accelerator was available.

The limits detect a broken accelerator, whose outputs do not depend on the picture.
"""


@dataclass(frozen=True)
class Replay:
    """Differences from the exported outputs over all golden vectors.

    Attributes:
        interpreter: library and version.
        delegate: delegate that ran the network, or None.
        pictures: number of golden vectors.
        mean: mean difference in steps.
        p999: 99.9th percentile of the differences in steps.
        maximum: largest difference in steps.
        limits: ReplayLimits for this model, interpreter and delegate.
    """

    interpreter: str
    delegate: str | None
    pictures: int
    mean: float
    p999: float
    maximum: float
    limits: ReplayLimits

    @property
    def passed(self) -> bool:
        """Whether mean, percentile and maximum are within the limits."""
        allowed = self.limits
        return self.mean <= allowed.mean and self.p999 <= allowed.p999 and self.maximum <= allowed.maximum


def replay(colorizer: Colorizer) -> Replay:
    """Run the golden vectors of a model like pictures, and compare the raw outputs.

    Args:
        colorizer: colorizer with the threads and the delegate that the device will use.

    Raises:
        EdgecolorError: the interpreter fails to run the network.
    """
    golden = colorizer.model.golden
    outputs = np.stack([colorizer.predict_raw(gray) for gray in golden.gray])
    differences = _count_steps(outputs, golden.exported)
    return Replay(
        interpreter=colorizer.interpreter.name,
        delegate=colorizer.delegate,
        pictures=len(golden.gray),
        mean=float(differences.mean()),
        p999=float(np.percentile(differences, 99.9)),
        maximum=float(differences.max()),
        limits=choose_limits(colorizer),
    )


def choose_limits(colorizer: Colorizer) -> ReplayLimits:
    """Return the limits for the precision of a model on this interpreter and delegate."""
    info = colorizer.model.info
    if colorizer.delegate is not None:
        return DELEGATED
    if info.precision in (Precision.FLOAT32, Precision.FLOAT16):
        return FLOAT
    integers = info.precision is Precision.INT8 and not info.float_layers
    return SAME if integers and colorizer.interpreter.name.startswith("ai-edge-litert ") else ROUNDED


def verify_replay(result: Replay) -> None:
    """Raise an error if this device does not reproduce the exported outputs.

    Raises:
        GateError: a difference is larger than its limit.
    """
    if not result.passed:
        limits = result.limits
        where = result.interpreter + (f" with {result.delegate}" if result.delegate else "")
        raise GateError(
            f"{where} does not reproduce the exported outputs: they differ by {result.mean:.3g} steps in the "
            f"mean and {result.maximum:.3g} at most (limits: {limits.mean:g} and {limits.maximum:g}). Try "
            "another version of the interpreter or the delegate, or fetch or export the model again."
        )


def _count_steps(outputs: NDArray[Any], exported: NDArray[Any]) -> NDArray[np.float64]:
    differences = np.abs(outputs.astype(np.float64) - exported)
    if exported.dtype != np.int8:
        differences *= STEPS_PER_UNIT
    steps: NDArray[np.float64] = np.nan_to_num(differences, nan=MAX_STEPS, posinf=MAX_STEPS)
    return steps
