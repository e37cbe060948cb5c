"""Gray frames, and the interface of their sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from PIL import Image


@dataclass(frozen=True)
class Frame:
    """One gray frame.

    Attributes:
        gray: its luma, mode L.
        seconds: when it was taken, on the clock of its source. It only grows.
        restarted: this is the first frame after the source was connected again or started over. It may show
            another scene than the frames before it.
    """

    gray: Image.Image
    seconds: float
    restarted: bool = False


class Source(Protocol):
    """Yields gray frames, until a file ends or `close` is called.

    Attributes:
        name: its name in messages.
        live: True: frames come by themselves, as from a camera, and `Frame.seconds` is the time on
            `time.monotonic` when the frame was taken. False: a frame is read when it is requested, as from a
            file, and `Frame.seconds` is its position in the file.
        framerate: nominal frames per second; None if the source does not specify it.
    """

    name: str
    live: bool
    framerate: float | None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            CameraError: a camera or a stream stalls or goes away.
            PictureError: a file cannot be read.
        """
        ...

    def close(self) -> None:
        """Release the device or the file. May be called twice, and from another thread."""
        ...
