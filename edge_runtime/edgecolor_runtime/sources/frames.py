"""Gray frames, and the interface of their sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from PIL import Image

from edgecolor_runtime.colors.source_colors import SourceColors


@dataclass(frozen=True)
class Frame:
    """One gray frame.

    Attributes:
        gray: its luma, mode L.
        seconds: when it was taken, on the clock of its source. It only grows.
        restarted: this is the first frame after the source was connected again or started over. It may show
            another scene than the frames before it.
        colors: the chroma of the source; None if it is gray by its format.
    """

    gray: Image.Image
    seconds: float
    restarted: bool = False
    colors: SourceColors | None = None


class Source(Protocol):
    """Yields gray frames, until a file ends or `close` is called.

    Attributes:
        name: its name in messages.
        live: True: frames come by themselves, as from a camera, and `Frame.seconds` is the time on
            `time.monotonic` when the frame was taken. False: a frame is read when it is requested, as from a
            file, and `Frame.seconds` is its position in the file.
        framerate: nominal frames per second; None if the source does not specify it.
        stamped_at: what `Frame.seconds` of a live source is: "capture", a time stamp of the camera, or
            "arrival", when the frame was decoded. "reading" for a source that is not live.
    """

    name: str
    live: bool
    framerate: float | None
    stamped_at: str

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about the frames, one sentence each. They only grow in number."""
        ...

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


class Film(Source, Protocol):
    """A source that is not live and whose every frame is colored: a video file, or pictures.

    Attributes:
        time_base: seconds per tick of its time stamps.
        full_range: whether its luma is 0 to 255, not 16 to 235. Known after the first frame.
        pixel_aspect: width of a pixel divided by its height; None if it is not specified.
        damaged: number of packets or pictures that could not be decoded up to now. They are skipped.
        missing: number of frames that are missing at the end, because a file is cut off. Known at the end.
    """

    time_base: Fraction
    full_range: bool
    pixel_aspect: Fraction | None
    damaged: int
    missing: int

    @property
    def count(self) -> int | None:
        """Number of frames; None if it is not known."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame in pixels."""
        ...
