"""The live loop: gray frames in, colored frames out, with statistics of its speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.colors.own_frame import NO_CHROMA, MixedFrame
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.live.color_switch import ColorSwitch
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.live.statistics import StatisticsCounter
from edgecolor_runtime.live.steady_normalization import SteadyNormalization
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.latest import Feed
from edgecolor_runtime.sources.orientation import UPRIGHT, Orientation

if TYPE_CHECKING:
    from edgecolor_runtime.inference.colorizer import Colorizer


class LiveLoop:
    """Colors frames one after another.

    Args:
        feed: the gray frames.
        colorizer: the model with its interpreter.
        stabilizer: keeps the colors from flickering; None: every frame is colored on its own.
        every: run the network on every N-th frame only; the stabilizer carries the colors to the others.
        recolor: give new colors also to frames that are in color.
        orientation: how each frame is rotated and mirrored before it is colored.
        max_frames: number of frames after which the loop ends; None: at the end of the feed.
        first: number of the first frame.

    Attributes:
        statistics: the counter of the frames and their times.
        kept: number of frames up to now that show the colors of their source alone.
    """

    def __init__(
        self,
        feed: Feed,
        colorizer: Colorizer,
        *,
        stabilizer: Stabilizer | None = None,
        every: int = 1,
        recolor: bool = False,
        orientation: Orientation = UPRIGHT,
        max_frames: int | None = None,
        first: int = 0,
    ) -> None:
        self.statistics = StatisticsCounter(feed.name, colorizer.model.info.name)
        self._feed, self._colorizer = feed, colorizer
        self._stabilizer, self._orientation = stabilizer, orientation
        self._normalization = SteadyNormalization()
        self._every, self._carried = every, 0
        self._switch = None if recolor else ColorSwitch()
        self.kept = 0
        self._max_frames, self._first = max_frames, first

    def __iter__(self) -> Iterator[Shot]:
        """Yield the colored frames. A frame counts as done when the next one is requested."""
        feed = iter(self._feed)
        try:
            number, requested = self._first, time.monotonic()
            while self._max_frames is None or number < self._max_frames:
                received = next(feed, None)
                if received is None:
                    return
                frame, dropped = received
                # Latency of a live frame begins when it was taken; of a file's frame, when it was requested.
                shot = self._color(frame, number, dropped, frame.seconds if self._feed.live else requested)
                yield shot
                self.statistics.add(shot, self._feed.latency_from)
                number, requested = number + 1, time.monotonic()
        finally:
            self.statistics.end()
            feed.close()

    def stop(self) -> None:
        """End after the current frame. May be called from a signal handler or another thread."""
        self._feed.stop()

    def _color(self, frame: Frame, number: int, dropped: int, since: float) -> Shot:
        """Color one frame. Its capture time is counted from `since`, a time of `time.monotonic`."""
        begun = time.monotonic()
        gray = self._orientation.apply(frame.gray)
        own, share = None, 0.0
        if self._switch is not None:
            colors = frame.colors and frame.colors.turned(self._orientation.apply)
            gray = self._switch.follow(gray, colors, restarted=frame.restarted)
            own, share = self._switch.own, self._switch.share
        times = {"capture": max(0.0, begun - since)}
        if frame.restarted or share == 1:
            self._forget()
        if own is not None and share == 1:
            self.kept += 1
            times["finish"] = time.monotonic() - begun
            own_frame = MixedFrame(gray, NO_CHROMA, own=own)
            return Shot(number, own_frame, frame.seconds, dropped=dropped, times=times)
        looked = time.monotonic()
        seen = self._colorizer.prepare(gray)
        times["prepare"] = time.monotonic() - looked
        ab = self._carry(seen)
        if ab is None:
            invoked = time.monotonic()
            ab = self._predict(seen)
            times["invoke"] = time.monotonic() - invoked
            if self._stabilizer is not None:
                ab = self._stabilizer.stabilize(seen, ab)
        colored = self._colorizer.finish(gray, seen, ab)
        if own is not None:
            colored = MixedFrame(colored.y, colored.chroma, colored.seen, own=own, share=share)
        times["finish"] = time.monotonic() - begun - times["prepare"] - times.get("invoke", 0.0)
        return Shot(number, colored, frame.seconds, dropped=dropped, times=times)

    def _forget(self) -> None:
        """Forget the colors of the frames before: the next one shows another scene, or none are needed."""
        if self._stabilizer is not None:
            self._stabilizer.reset()
            self._normalization.reset()
        self._carried = 0

    def _predict(self, seen: U8) -> F32:
        """Run the network on a frame, normalized like the frames before if colors are kept stable."""
        if self._stabilizer is None:
            return self._colorizer.predict(seen)
        return self._colorizer.predict(seen, self._normalization.follow(seen))

    def _carry(self, seen: U8) -> F32 | None:
        """Return the colors of the frame before, moved with the picture; None: the network must run."""
        if self._stabilizer is None or self._carried + 1 >= self._every:
            self._carried = 0
            return None
        ab = self._stabilizer.carry(seen)
        self._carried = self._carried + 1 if ab is not None else 0
        return ab
