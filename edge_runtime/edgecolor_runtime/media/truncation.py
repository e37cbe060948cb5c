"""Whether a video file is cut off: what its container promises, compared with what was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_MKV_SEGMENT = b"\x18\x53\x80\x67"
_MIN_MISSING_SECONDS = 0.3  # FLV and ASF round their durations


@dataclass
class ReadPackets:
    """The packets of a video file that were read.

    Attributes:
        track: the video track that is decoded.
        count: number of packets of this track.
        last_dts: decoding time stamp of the last one, in ticks of the track; None before the first one.
        end_seconds: end of the last picture in seconds.
        end_of_all_seconds: end of the last packet of any track in seconds.
    """

    track: Any
    count: int = 0
    last_dts: int | None = None
    end_seconds: float = 0.0
    end_of_all_seconds: float = 0.0

    def add(self, packet: Any) -> bool:
        """Count a packet. Returns whether to decode it: it belongs to the track and is not cut off."""
        is_ours = packet.stream is self.track
        if packet.dts is None and not packet.size:
            return is_ours  # the empty packet that ends a track
        if is_ours and packet.is_corrupt and packet.stream.container.format.name.startswith("mov"):
            return False  # the end of a file that is cut off. A decoder would lose frames before it.
        stamp = packet.dts if packet.pts is None else packet.pts
        end = float((stamp + (packet.duration or 0)) * packet.time_base) if stamp is not None else 0.0
        self.end_of_all_seconds = max(self.end_of_all_seconds, end)
        if is_ours:
            self.count += 1
            self.last_dts = packet.dts if packet.dts is not None else self.last_dts
            self.end_seconds = max(self.end_seconds, end)
        return is_ours


def count_missing_frames(path: Path, container: Any, packets: ReadPackets) -> int:
    """Return how many frames a video file promises that are not in it. Call this at the end of the file.

    MP4 and MOV list every frame, and AVI counts them. Matroska, FLV and ASF specify a duration, from which
    the number is estimated. Other containers promise nothing: the result is 0.

    Args:
        path: the file.
        container: PyAV's container.
        packets: the packets that were read.
    """
    stream, name = packets.track, container.format.name
    if name.startswith("mov"):
        return _missing_from_index(stream, packets)
    if name == "avi":
        return max(0, stream.frames - packets.count) if _is_riff_cut(path) else 0
    if name.startswith("matroska"):
        is_cut = _is_matroska_cut(path)
        seconds = _parse_duration(stream.metadata.get("DURATION")) or _duration(container)
        return _missing_by_time(stream, seconds - packets.end_seconds) if is_cut else 0
    if name in ("flv", "asf"):
        seconds = _duration(container) + (container.start_time or 0) / 1e6 - packets.end_of_all_seconds
        return _missing_by_time(stream, seconds) if seconds > _MIN_MISSING_SECONDS else 0
    return 0


def _missing_from_index(stream: Any, packets: ReadPackets) -> int:
    entries: Any = getattr(stream, "index_entries", ())  # not in old versions of PyAV
    last = packets.last_dts
    if not len(entries) or (last is not None and entries[-1].timestamp <= last):
        return 0
    return max(0, len(entries) - packets.count)


def _missing_by_time(stream: Any, seconds: float) -> int:
    return max(0, round(seconds * float(stream.average_rate or 25)))


def _duration(container: Any) -> float:
    return float((container.duration or 0) / 1e6)


def _parse_duration(text: str | None) -> float:
    """Return the seconds of a tag such as 00:01:02.500000000; 0 if there is none."""
    try:
        hours, minutes, seconds = (text or "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0


def _is_riff_cut(path: Path) -> bool:
    """Return whether the last RIFF chunk of a file is longer than the file. Large files have several."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            head = file.read(8)
            if head[:4] != b"RIFF":
                return False
            position += 8 + int.from_bytes(head[4:], "little")
    return position > size


def _is_matroska_cut(path: Path) -> bool:
    """Return whether the segment of a file is longer than the file. A recording may leave the size open."""
    with path.open("rb") as file:
        if file.read(4) != b"\x1a\x45\xdf\xa3":
            return False
        header = _read_size(file)
        if header is None:
            return False
        file.seek(header, 1)
        if file.read(4) != _MKV_SEGMENT:
            return False
        length = _read_size(file)
        return length is not None and file.tell() + length > path.stat().st_size


def _read_size(file: BinaryIO) -> int | None:
    """Return a size as EBML stores it; None if it is open.

    The first byte begins with a zero bit for each further byte, and a one.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    further = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(further), "big")
    bits = 7 * (further + 1)
    value &= (1 << bits) - 1
    return None if value == (1 << bits) - 1 else value
