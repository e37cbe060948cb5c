"""Golden vectors replayed: does this device compute what the workstation computed when it wrote the file?

A difference is counted in steps of 1/128 of the network's output, which is what one step of an int8 tanh is:
0.78 Lab units. Float outputs are counted in the same unit, so that one table of limits serves all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.errors import GateError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.info import Precision

STEPS = 128  # in network output 1.0
WHOLE = 2.0 * STEPS  # from end to end: what a value that is no number counts as


@dataclass(frozen=True)
class Limits:
    """How far raw outputs may be from the exported ones, in steps."""

    mean: float
    p999: float  # 99.9th percentile
    maximum: float


SAME = Limits(0, 0, 0)
"""int8 on a CPU with ai-edge-litert: the same integers on x86-64 and arm64, and with 2.1 and 2.3."""

FLOAT = Limits(0.001, 0.005, 0.01)
"""float32 and float16 on a CPU: sums in another order.

tflite-runtime 2.14 against litert 2.3 on x86-64, 36 photographs: 0.000002 steps in the mean, 0.00003 at most.
More is allowed, as other processors have other vectors; a hundredth of a step is still nothing.
"""

ROUNDED = Limits(1.5, 10, 14)
"""Integers that other kernels round otherwise: tflite-runtime; and dynamic range, scaled anew at each run.

tflite-runtime 2.14 against litert 2.3 on x86-64, 36 photographs through three int8 files and a dynamic one:
0.17 to 0.27 steps in the mean, 1.03 on the worst photograph, there 7 at the percentile and 9 at most. Half as
much again is allowed.
"""

DELEGATED = Limits(3, 20, 28)
"""An accelerator: twice `ROUNDED`, unmeasured, as none was at hand.

Sized to tell a broken one, whose outputs have nothing to do with the picture.
"""


@dataclass(frozen=True)
class Replay:
    """What came out: differences from the exported outputs in steps, over all golden vectors."""

    interpreter: str  # library and version
    delegate: str | None
    pictures: int
    mean: float
    p999: float
    maximum: float
    limits: Limits

    @property
    def passed(self) -> bool:
        """Whether all three are within the limits."""
        allowed = self.limits
        return self.mean <= allowed.mean and self.p999 <= allowed.p999 and self.maximum <= allowed.maximum


def replay(colorizer: Colorizer) -> Replay:
    """Runs a model's golden vectors as the device would run pictures, and compares raw outputs.

    Args:
        colorizer: with the threads and the delegate that the device will use.

    Raises:
        EdgecolorError: the interpreter fails at the network.
    """
    golden = colorizer.model.golden
    found = np.stack([colorizer.raw(gray) for gray in golden.gray])
    off = _steps(found, golden.exported)
    return Replay(
        interpreter=colorizer.interpreter.name,
        delegate=colorizer.delegate,
        pictures=len(golden.gray),
        mean=float(off.mean()),
        p999=float(np.percentile(off, 99.9)),
        maximum=float(off.max()),
        limits=limits(colorizer),
    )


def limits(colorizer: Colorizer) -> Limits:
    """What is allowed for a model's precision on this interpreter."""
    info = colorizer.model.info
    if colorizer.delegate is not None:
        return DELEGATED
    if info.precision in (Precision.FLOAT32, Precision.FLOAT16):
        return FLOAT
    integers = info.precision is Precision.INT8 and not info.float_layers
    return SAME if integers and colorizer.interpreter.name.startswith("ai-edge-litert ") else ROUNDED


def verify_replay(found: Replay) -> None:
    """Refuses a device that computes something else.

    Raises:
        GateError: a difference is beyond its limit.
    """
    if not found.passed:
        allowed = found.limits
        where = found.interpreter + (f" with {found.delegate}" if found.delegate else "")
        raise GateError(
            f"{where} does not compute what was exported: off by {found.mean:.3g} steps in the mean, "
            f"{found.maximum:.3g} at most (allowed {allowed.mean:g} and {allowed.maximum:g}). Try another "
            "interpreter or delegate version, or fetch or export the model again."
        )


def _steps(found: NDArray[Any], exported: NDArray[Any]) -> NDArray[np.float64]:
    off = np.abs(found.astype(np.float64) - exported)
    if exported.dtype != np.int8:
        off *= STEPS
    counted: NDArray[np.float64] = np.nan_to_num(off, nan=WHOLE, posinf=WHOLE)
    return counted
