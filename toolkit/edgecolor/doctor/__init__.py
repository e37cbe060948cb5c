"""What this machine is, what it lacks for edgecolor, and which command fixes it.

Anything that may crash is tried in a child process, and the shipped models are tried with `edgecolor check`
itself. A note describes what could be better, a problem what does not work. Only problems end with an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgecolor.doctor.board import board, memory_and_disk, power_and_heat
from edgecolor.doctor.cameras import pi_camera, v4l2_cameras
from edgecolor.doctor.edge_tpu import edge_tpu
from edgecolor.doctor.finding import Finding, Host, problem
from edgecolor.doctor.software import interpreter, live_libraries, python, shipped_models

__all__ = ["Finding", "Host", "diagnose"]

EXAMINATIONS: tuple[Callable[[Host], Iterator[Finding]], ...] = (
    board,
    python,
    interpreter,
    shipped_models,
    live_libraries,
    pi_camera,
    v4l2_cameras,
    edge_tpu,
    power_and_heat,
    memory_and_disk,
)


def diagnose(host: Host) -> Iterator[Finding]:
    """Examines everything; what cannot be examined is a problem itself, and does not end the rest."""
    for examine in EXAMINATIONS:
        try:
            yield from examine(host)
        except Exception as error:  # of whatever is broken here
            what = examine.__name__.replace("_", " ")
            yield problem(what, f"cannot be examined: {type(error).__name__}: {error}", code=1)
