"""The time stamps of a file or a stream, rewritten: they start at zero, and every jump is bridged.

Stamps as stored may start at any time (a broadcast that was cut), go back (files that were joined, a counter
of 33 bits that starts over) or jump ahead by hours. All tracks share one correction, so that sound stays in
step with the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

JUMP_SECONDS = 10
"""In a format whose clock may be set, a longer step ahead is a jump and no pause, as in FFmpeg."""

_BACK_SECONDS = Fraction(1, 10)  # decoding times never go back; transport streams jitter by less than this
_CONTINUATION_SECONDS = Fraction(1, 10)  # a packet this close to the end of the one before continues it

_NO_TIMESTAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS and AVFMT_TS_DISCONT
_DISCONTINUOUS = 0x200
_UNTIMED_SUFFIX = "_pipe"  # FFmpeg's formats of concatenated pictures; their stamps are invented

_TIMED_TRACKS = ("video", "audio")  # subtitles and data are sparse: a gap between them means nothing


def has_time_stamps(container: Any) -> bool:
    """Return whether the packets of a file have time stamps; bare H.264 and concatenated JPEGs have none."""
    return not int(container.format.flags) & _NO_TIMESTAMPS and not container.format.name.endswith(
        _UNTIMED_SUFFIX
    )


@dataclass
class _Position:
    """Where a track is: its part of the file, and the last decoding time as stored, with the packet's end."""

    part: int
    stamp: Fraction
    end: Fraction


class Timeline:
    """Rewrites the time stamps of one file's packets, in the order in which the file stores them.

    A file consists of parts. Within a part the stored stamps are right but for one number, which is added to
    the stamps of all tracks. A new part begins where a stamp jumps. It is placed where the part before ends.

    Args:
        start_seconds: the first time of the file as stored; it becomes zero.
        may_jump: the format allows that its clock is set, so that a large step ahead is a jump.
    """

    def __init__(self, start_seconds: Fraction, *, may_jump: bool) -> None:
        self._may_jump = may_jump
        self._shifts = [-start_seconds]  # per part: what is added to a stored stamp, in seconds
        self._tracks: dict[int, _Position] = {}
        self._newest = start_seconds  # last stored stamp of the newest part
        self._end = Fraction(0)  # end of what was placed, in seconds

    @classmethod
    def of(cls, container: Any) -> Timeline:
        """Return the timeline of a file that PyAV has opened."""
        start = Fraction(container.start_time or 0, 1_000_000)
        return cls(start, may_jump=bool(int(container.format.flags) & _DISCONTINUOUS))

    @property
    def parts(self) -> int:
        """Number of parts up to now: 1, and 1 for each jump that was bridged."""
        return len(self._shifts)

    def place(self, packet: Any) -> None:
        """Rewrite the stamps of a packet. Call this for every packet, also for those that are not used."""
        base = packet.time_base
        if packet.dts is None or packet.stream.type not in _TIMED_TRACKS:
            # Only decoding times rise. Matroska's first pictures may have none.
            _shift(packet, self._shifts[-1])
            return
        stamp, length = packet.dts * base, (packet.duration or 0) * base
        shown = stamp if packet.pts is None else packet.pts * base
        part = self._choose_part(packet.stream.index, stamp)
        if part == len(self._shifts):
            self._shifts.append(self._end - shown)
        if part == len(self._shifts) - 1:
            self._newest = stamp
        self._tracks[packet.stream.index] = _Position(part, stamp, stamp + length)
        self._end = max(self._end, shown + length + self._shifts[part])
        _shift(packet, self._shifts[part])

    def _choose_part(self, track: int, stamp: Fraction) -> int:
        """Return the part that a packet belongs to; the number of parts if it begins a new one."""
        newest = len(self._shifts) - 1
        position = self._tracks.get(track)
        if position is None:
            return newest
        step = stamp - position.stamp
        jumps = step < -_BACK_SECONDS or (self._may_jump and step > JUMP_SECONDS)
        if position.part == newest:
            return newest + 1 if jumps else newest
        # Another track has entered a newer part. This one follows unless its packet continues the older part.
        fits_newest = abs(stamp - self._newest) <= JUMP_SECONDS
        continues = abs(stamp - position.end) <= _CONTINUATION_SECONDS
        if fits_newest and (jumps or not continues):
            return newest
        return newest + 1 if jumps else position.part


def _shift(packet: Any, seconds: Fraction) -> None:
    ticks = round(seconds / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


class RisingTicks:
    """Converts seconds to ticks that rise strictly, because containers refuse two frames of one time.

    Args:
        tick: seconds per tick.
        after: the tick of the frame before the first one.

    Attributes:
        last: the tick of the last frame.
    """

    def __init__(self, tick: Fraction, *, after: int = -1) -> None:
        self._tick, self.last = tick, after

    def next(self, seconds: float | Fraction) -> int:
        """Return the tick of the next frame: the nearest one, or the one after the last frame's."""
        self.last = max(self.last + 1, round(Fraction(seconds) / self._tick))
        return self.last
