"""Examine this machine: what it is, what is missing for edgecolor, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgecolor.doctor.board import examine_board, examine_memory_and_disk, examine_power_and_heat
from edgecolor.doctor.camera_access import examine_pi_camera, examine_usb_cameras
from edgecolor.doctor.coral import examine_edge_tpu
from edgecolor.doctor.finding import Finding, HostMachine, problem
from edgecolor.doctor.software import (
    examine_interpreter,
    examine_live_libraries,
    examine_python,
    examine_shipped_models,
)

__all__ = ["Finding", "HostMachine", "diagnose"]

EXAMINATIONS: tuple[Callable[[HostMachine], Iterator[Finding]], ...] = (
    examine_board,
    examine_python,
    examine_interpreter,
    examine_shipped_models,
    examine_live_libraries,
    examine_pi_camera,
    examine_usb_cameras,
    examine_edge_tpu,
    examine_power_and_heat,
    examine_memory_and_disk,
)


def diagnose(host: HostMachine) -> Iterator[Finding]:
    """Run all examinations. An examination that fails is a problem, and does not stop the others."""
    for examine in EXAMINATIONS:
        try:
            yield from examine(host)
        except Exception as error:  # whatever is broken on this machine
            about = examine.__name__.removeprefix("examine_").replace("_", " ")
            yield problem(about, f"cannot be examined: {type(error).__name__}: {error}", code=1)
