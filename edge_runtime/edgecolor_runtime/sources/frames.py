"""Gray frames from a camera, a video, a folder or a recording, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from PIL import Image


@dataclass(frozen=True)
class Frame:
    """One gray frame.

    Attributes:
        gray: Its luma, mode L.
        seconds: When it was taken, on its source's clock, which only grows.
    """

    gray: Image.Image
    seconds: float


class Source(Protocol):
    """Where frames come from. Iterating yields them; at the end of a file, or after `close`, it ends.

    Attributes:
        name: What a message calls it.
        live: Frames come when they come, as from a camera, and `seconds` is `time.monotonic` of the moment
            one was taken. Else each waits until it is asked for, as in a file; `seconds` is its place in it.
        framerate: Nominal frames a second; None where the source does not say.
    """

    name: str
    live: bool
    framerate: float | None

    def __iter__(self) -> Iterator[Frame]:
        """Frames, one after another. Raises MissingError when a camera stalls or goes away."""
        ...

    def close(self) -> None:
        """Let go of the device or file; safe to call twice, and from another thread."""
        ...
