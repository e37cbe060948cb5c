"""The text of subtitles, read from the packets of one codec and written as those of another."""

from __future__ import annotations

import re

CODECS = {"matroska": "subrip", "webm": "webvtt", "mp4": "mov_text", "mov": "mov_text"}
"""Container -> the codec of text that it holds."""

READ_CODECS = frozenset(("subrip", "webvtt", "mov_text", "ass", "ssa", "text"))
"""Codecs whose packets hold text. Others hold pictures."""

_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")  # of SubRip and WebVTT; of ASS
_LENGTH_BYTES = 2  # before the text of mov_text
_ASS_FIELDS = 8  # before the text of ASS in a container


def extract(packet: bytes, codec: str) -> str:
    """Return the plain text of a packet; empty if it holds none."""
    if codec == "mov_text":
        length = int.from_bytes(packet[:_LENGTH_BYTES], "big")
        return packet[_LENGTH_BYTES : _LENGTH_BYTES + length].decode("utf-8", "replace").strip()
    text = packet.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        text = text.split(",", _ASS_FIELDS)[-1].replace("\\N", "\n").replace("\\n", "\n")
    return _MARKUP.sub("", text).strip()


def encode(text: str, codec: str) -> bytes:
    """Return the packet of a plain text."""
    data = text.encode("utf-8")
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data if codec == "mov_text" else data
