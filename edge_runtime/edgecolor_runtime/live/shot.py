"""A colored frame of a live source, with its number and time."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecolor_runtime.colors.frame import ColorFrame


@dataclass(frozen=True)
class Shot:
    """A frame, colored.

    Attributes:
        number: Counted from 0, of the frames that were colored.
        frame: The colors.
        seconds: Of the gray frame.
        dropped: Frames that came and were left out, up to this one.
        times: Seconds of each stage that it went through: "capture" (taken until begun), "prepare", "invoke",
            "finish"; who encodes adds "encode".
    """

    number: int
    frame: ColorFrame
    seconds: float
    dropped: int = 0
    times: dict[str, float] = field(default_factory=dict)
