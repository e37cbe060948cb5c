"""A client with real sockets for the tests of the preview, and a thread that repeats an action."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import BinaryIO
from urllib.parse import urlsplit

from edgecolor_runtime.preview.server import Preview

WAIT = 60.0  # time limit of a test in seconds


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def port_of(preview: Preview) -> int:
    port = urlsplit(preview.address).port
    assert port
    return port


def ask(
    preview: Preview,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request as a well-behaved client, and return the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(preview), timeout=WAIT)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def set_saturation(preview: Preview, body: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(preview, "/saturation", "POST", body, {"Content-Type": "application/json", **named})


def connect(preview: Preview, *, receive_buffer: int | None = None) -> socket.socket:
    """Open a connection without sending anything."""
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(WAIT)
    client.connect(("127.0.0.1", port_of(preview)))
    return client


def watch(
    preview: Preview, view: str = "color", *, query: str = "", receive_buffer: int | None = None
) -> socket.socket:
    """Open a connection and request a stream."""
    client = connect(preview, receive_buffer=receive_buffer)
    client.sendall(f"GET /stream/{view}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def parts(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the JPEG files of a stream. A part ends after its length, as in go2rtc."""
    headers = http.client.parse_headers(_after_status(stream, 200))
    boundary = stream_boundary(headers)
    assert stream.readline() == boundary
    while "Content-Length" in (part := http.client.parse_headers(stream)):
        assert part.get_content_type() == "image/jpeg"
        jpeg = stream.read(int(part["Content-Length"]))
        if stream.read(2 + len(boundary)) != b"\r\n" + boundary:
            return
        yield jpeg


def parts_without_lengths(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the JPEG files of a stream. Like a browser, end a part when the head of the next part arrives."""
    headers = http.client.parse_headers(_after_status(stream, 200))
    head = stream_boundary(headers) + b"Content-Type: image/jpeg\r\n\r\n"
    assert stream.read(len(head)) == head
    part = b""
    while line := stream.readline():
        part += line
        if part.endswith(b"\r\n" + head):
            yield part.removesuffix(b"\r\n" + head)
            part = b""


def stream_boundary(headers: Message) -> bytes:
    """Return the line between two parts."""
    assert headers.get_content_type() == "multipart/x-mixed-replace"
    return f"--{headers.get_param('boundary')}\r\n".encode()


def _after_status(stream: BinaryIO, status: int) -> BinaryIO:
    line = stream.readline().split()
    assert int(line[1]) == status, line
    return stream


def read_all(client: socket.socket) -> bytes:
    """Return all that the server sends until it closes the connection."""
    data = b""
    while more := client.recv(65536):
        data += more
    return data


@contextmanager
def repeatedly(do: Callable[[], object], seconds: float = 0.02) -> Iterator[None]:
    """Repeat an action in a thread, as a loop shows pictures."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            do()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def eventually(condition: Callable[[], object]) -> bool:
    """Return whether the condition becomes true within the time limit of a test."""
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
