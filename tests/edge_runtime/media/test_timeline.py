"""The timeline: files start at zero, jumps are bridged, and all tracks get the same correction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import pytest

from edgecolor_runtime.media.timeline import RisingTicks, Timeline

VIDEO = SimpleNamespace(index=0, type="video")
SOUND = SimpleNamespace(index=1, type="audio")
SUBTITLES = SimpleNamespace(index=2, type="subtitle")


@dataclass
class Packet:
    """A packet with stamps in milliseconds."""

    stream: SimpleNamespace
    pts: int | None
    dts: int | None
    duration: int = 40
    time_base: Fraction = Fraction(1, 1000)


def pictures(start: int, count: int, delay: int = 0) -> list[Packet]:
    """Pictures in order, 40 ms each. A decoder reads each picture `delay` ms before it is shown."""
    return [Packet(VIDEO, start + 40 * n, start + 40 * n - delay) for n in range(count)]


def sound(start: int, count: int) -> list[Packet]:
    return [Packet(SOUND, start + 20 * n, start + 20 * n, 20) for n in range(count)]


def interleaved(*tracks: list[Packet]) -> list[Packet]:
    return sorted((packet for track in tracks for packet in track), key=lambda packet: packet.dts or 0)


def place(packets: Iterable[Packet], start: int, *, may_jump: bool = True) -> Timeline:
    timeline = Timeline(Fraction(start, 1000), may_jump=may_jump)
    for packet in packets:
        timeline.place(packet)
    return timeline


def shown(packets: list[Packet], track: SimpleNamespace = VIDEO) -> list[int | None]:
    return [packet.pts for packet in packets if packet.stream is track]


def test_a_late_start_becomes_zero_for_all_tracks() -> None:
    packets = interleaved(pictures(50_001_000, 5, 80), sound(50_000_979, 10))
    assert place(packets, 50_000_979).parts == 1
    assert shown(packets) == [21, 61, 101, 141, 181]
    assert shown(packets, SOUND) == [20 * n for n in range(10)]
    assert packets[0].dts == 21 - 80


@pytest.mark.parametrize(
    ("start", "may_jump"),
    [(1_400, True), (1_400, False), (90_000_000, True), (0, True)],
    ids=["back", "back in any format", "ahead", "to zero"],
)
def test_joined_files_follow_each_other(start: int, may_jump: bool) -> None:
    first = interleaved(pictures(1_421, 50, 80), sound(1_400, 100))
    second = interleaved(pictures(start + 21, 50, 80), sound(start, 100))
    assert place([*first, *second], 1_400, may_jump=may_jump).parts == 2
    times = shown(first + second)
    assert times[:50] == [21 + 40 * n for n in range(50)]
    steps = [b - a for a, b in pairwise(times) if a is not None and b is not None]
    assert set(steps[:49] + steps[50:]) == {40} and 40 <= steps[49] <= 61
    before, after = shown(first)[0], shown(second)[0]
    assert before is not None and after is not None
    assert [after + 20 * n - 21 for n in range(100)] == shown(second, SOUND), (
        "sound in step with the pictures"
    )


def test_the_last_packets_of_a_part_may_come_late() -> None:
    """A demuxer returns the last sound of the first file after the first picture of the second file."""
    first, second = pictures(1_000, 50), pictures(1_000, 50)
    late, early = sound(2_900, 5), sound(1_000, 50)
    timeline = place([*first, *sound(1_000, 95), second[0], *late, *second[1:], *early], 1_000)
    assert timeline.parts == 2
    assert shown(late, SOUND) == [1_900 + 20 * n for n in range(5)]
    assert shown(early, SOUND)[0] == second[0].pts


def test_three_joined_files() -> None:
    packets = [*pictures(0, 50), *pictures(0, 50), *pictures(500, 50)]
    assert place(packets, 0).parts == 3
    assert shown(packets) == [40 * n for n in range(150)]


def test_a_counter_that_starts_over() -> None:
    wrap = 2**33
    stamps = [(wrap - 9_000 + 3_600 * n) % wrap for n in range(6)]
    packets = [Packet(VIDEO, stamp, stamp, 3_600, Fraction(1, 90_000)) for stamp in stamps]
    timeline = Timeline(Fraction(wrap - 9_000, 90_000), may_jump=True)
    for packet in packets:
        timeline.place(packet)
    assert shown(packets) == [3_600 * n for n in range(6)]


def test_a_pause_stays_and_reordered_pictures_are_no_jump() -> None:
    pause = [*pictures(0, 3), *pictures(9_000, 3)]
    assert place(pause, 0).parts == 1 and shown(pause)[3] == 9_000
    still = [*pictures(0, 3), *pictures(60_000, 3)]  # a film of still pictures, in a format with one clock
    assert place(still, 0, may_jump=False).parts == 1 and shown(still)[3] == 60_000
    stored = [(0, None), (500, None), (80, 0), (40, 40), (900, 80), (501, 500)]  # as Matroska stores pictures
    reordered = [Packet(VIDEO, moment, decoded) for moment, decoded in stored]
    assert place(reordered, 0).parts == 1 and shown(reordered) == [0, 500, 80, 40, 900, 501]


def test_subtitles_and_packets_without_stamps_decide_nothing() -> None:
    packets = [
        *pictures(0, 3),
        Packet(SUBTITLES, 50_000, 50_000),
        Packet(VIDEO, None, None),
        *pictures(120, 3),
    ]
    assert place(packets, 0).parts == 1
    assert shown(packets) == [0, 40, 80, None, 120, 160, 200]


def test_ticks_rise_strictly() -> None:
    ticks = RisingTicks(Fraction(1, 100))
    assert [ticks.next(seconds) for seconds in (0, 0.02, 0.02, 0.01, 0.05)] == [0, 2, 3, 4, 5]
    assert RisingTicks(Fraction(1, 100)).next(-0.5) == 0
