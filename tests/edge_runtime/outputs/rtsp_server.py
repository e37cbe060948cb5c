"""An RTSP server that receives one stream over TCP and counts its pictures (RFC 2326, RFC 3550)."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from io import BufferedReader
from types import TracebackType


class RtspServer:
    """Accepts publishers one after another on a port of this machine.

    Attributes:
        address: where to publish.
        pictures: number of pictures received: RTP packets with the marker bit.
        sessions: number of publishers that began to send.
    """

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"rtsp://127.0.0.1:{self.port}/door"
        self.pictures = self.sessions = 0
        self.received = threading.Condition()
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_for(self, pictures: int) -> bool:
        """Wait until so many pictures were received; return whether they were within 60 seconds."""
        with self.received:
            return self.received.wait_for(lambda: self.pictures >= pictures, 60)

    def close(self) -> None:
        """Stop like a server that is killed."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rb") as stream:
                    self._connection = connection
                    self._receive(connection, stream)
            except OSError:
                if self._listener.fileno() < 0:
                    return

    def _receive(self, connection: socket.socket, stream: BufferedReader) -> None:
        while first := stream.read(1):
            if first == b"$":  # an interleaved packet
                channel, *size = stream.read(3)
                packet = stream.read(int.from_bytes(bytes(size), "big"))
                if channel == 0 and packet[1] & 0x80:
                    with self.received:
                        self.pictures += 1
                        self.received.notify_all()
                continue
            request = first
            while not request.endswith(b"\r\n\r\n"):
                request += stream.readline() or b"\r\n\r\n"
            lines = request.decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            stream.read(int(headers.get("Content-Length", 0)))
            method = lines[0].split()[0]
            reply = f"RTSP/1.0 200 OK\r\nCSeq: {headers['CSeq']}\r\nSession: 1\r\n"
            if method == "OPTIONS":
                reply += "Public: OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN\r\n"
            if method == "SETUP":
                reply += f"Transport: {headers['Transport']}\r\n"
            self.sessions += method == "RECORD"
            connection.sendall(reply.encode() + b"\r\n")
            if method == "TEARDOWN":
                return
