"""An RTSP camera on 127.0.0.1 with sound: 160 x 120 pixels, 20 frames per second, RTP over TCP.

Run: python rtsp_camera.py PORT [--pictures SECONDS] [--password USER:PASSWORD]

It prints one line when it accepts connections. After --pictures SECONDS only the sound continues.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import socket
import socketserver
import struct
import time
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

WIDTH, HEIGHT, FRAMERATE = 160, 120, 20
TICKS = 90_000 // FRAMERATE
SOUND_BYTES = 8000 // FRAMERATE  # of PCMU at 8000 Hz per frame
PICTURES, SOUND = 0, 2  # channels of the connection
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n"
    "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track1\r\n"
)


def encode_pictures() -> list[list[bytes]]:
    """Return one second of H.264 that may be repeated: the NAL units of each frame."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAMERATE), Fraction(FRAMERATE)
    encoder.options = {"tune": "zerolatency", "g": str(FRAMERATE), "x264-params": "sliced-threads=0"}
    gradient = np.tile(np.linspace(30, 220, WIDTH), (HEIGHT, 1)).astype(np.uint8)
    packets = []
    for number in range(FRAMERATE):
        frame = av.VideoFrame.from_ndarray(np.roll(gradient, number, 1), "gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FRAMERATE)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [
        [unit.lstrip(b"\0") for unit in bytes(packet).split(b"\0\0\1") if unit.strip(b"\0")]
        for packet in packets
    ]


def rtp(channel: int, kind: int, number: int, tick: int, data: bytes, *, is_last: bool) -> bytes:
    """Return one RTP packet in the framing of an RTSP connection."""
    head = struct.pack(">BBHII", 0x80, kind | (0x80 if is_last else 0), number & 0xFFFF, tick, channel + 1)
    return struct.pack(">cBH", b"$", channel, len(head) + len(data)) + head + data


class Viewer(socketserver.StreamRequestHandler):
    """Answers the requests of one connection, then sends pictures and sound."""

    server: Camera

    def handle(self) -> None:
        while request := self.read_request():
            method, headers = request
            if self.server.password and headers.get("authorization") != self.server.password:
                self.answer(headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n')
                continue
            if method == "DESCRIBE":
                self.answer(headers, "200 OK", "Content-Type: application/sdp\r\n", SDP)
            elif method == "SETUP":
                transport = f"Transport: {headers['transport']}\r\nSession: 1;timeout=60\r\n"
                self.answer(headers, "200 OK", transport)
            else:
                self.answer(headers, "200 OK", "Session: 1\r\nPublic: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
            if method == "PLAY":
                self.play()
                return

    def read_request(self) -> tuple[str, dict[str, str]] | None:
        lines: list[str] = []
        while line := self.rfile.readline().decode().strip():
            lines.append(line)
        if not lines:
            return None
        pairs = (line.partition(":") for line in lines[1:])
        return lines[0].split()[0], {name.lower(): value.strip() for name, _, value in pairs}

    def answer(self, request: dict[str, str], status: str, headers: str, body: str = "") -> None:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.wfile.write(
            f"RTSP/1.0 {status}\r\nCSeq: {request['cseq']}\r\n{headers}{length}\r\n{body}".encode()
        )

    def play(self) -> None:
        begun, packets = time.monotonic(), itertools.count()
        for number, units in enumerate(self.server.pictures()):
            time.sleep(max(0.0, begun + number / FRAMERATE - time.monotonic()))
            data = b""
            if self.server.seconds is None or number < self.server.seconds * FRAMERATE:
                for unit in units:
                    is_last = unit is units[-1]
                    data += rtp(PICTURES, 96, next(packets), number * TICKS, unit, is_last=is_last)
            data += rtp(SOUND, 0, number, number * SOUND_BYTES, b"\xff" * SOUND_BYTES, is_last=False)
            try:
                self.wfile.write(data)
            except OSError:
                return


class Camera(socketserver.ThreadingTCPServer):
    """The camera: what all its connections share."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port: int, seconds: float | None, login: str | None) -> None:
        self.seconds = seconds
        self.password = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None
        self.second = encode_pictures()
        super().__init__(("127.0.0.1", port), Viewer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def pictures(self) -> Iterator[list[bytes]]:
        return itertools.cycle(self.second)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--pictures", type=float)
    parser.add_argument("--password")
    arguments = parser.parse_args()
    camera = Camera(arguments.port, arguments.pictures, arguments.password)
    print("ready", flush=True)
    camera.serve_forever()
