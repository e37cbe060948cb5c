"""A small HTTP server with limits: short requests, time limits, few clients; `close` ends all threads."""

from __future__ import annotations

import errno
import io
import socket
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from edgecolor_runtime.errors import MissingError, UsageError
from edgecolor_runtime.preview.access import network_of

MAX_CONNECTIONS = 96
"""Number of connections at the same time of clients that are admitted. Each one has a thread."""

MAX_PENDING = 64
"""Number of further connections, of clients that are not admitted yet. A new one replaces an old one."""

MAX_HEAD_BYTES = 16 << 10
"""Size of a request's first line and headers."""

MAX_BODY_BYTES = 1 << 10
"""Size of a request's body."""

TIMEOUT_SECONDS = 10.0
"""Time limit for receiving a whole request, and for sending one picture."""

SEND_BUFFER_BYTES = 128 << 10
"""Bytes of a stream that the system may buffer. A larger buffer would hold outdated pictures."""

_LINGER_SECONDS = 1.0  # time limit for reading the rest of a refused request
_BUSY_RESPONSE = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response."""


class RequestError(Exception):
    """A request that gets an error response.

    Args:
        status: status of the response.
        reason: one line that tells the user why; empty: the description of the status.
        headers: further headers of the response.
    """

    def __init__(
        self, status: HTTPStatus, reason: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason or status.description or status.phrase)
        self.status = status
        self.headers = headers


class RequestHandler(BaseHTTPRequestHandler):
    """Handles one connection, which is one request. Subclasses implement `respond`, or raise RequestError."""

    server: HttpServer
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # a request without a version also gets a status and headers
    server_version, sys_version = "edgecolor", ""

    def handle(self) -> None:
        """Read the whole head, then respond."""
        self.requestline = self.request_version = self.command = ""
        self._deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            self.rfile = io.BytesIO(self._read_head())
            self.handle_one_request()
        except RequestError as error:
            self.send_error(error.status, str(error), headers=error.headers)
            self._drain()

    def admit(self) -> None:
        """Mark the client as admitted: its connection is no longer replaced by a new one."""
        self.server.admit(self.connection)

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the connection exists."""
        self.server.pause(self.connection, seconds)

    def respond(self) -> None:
        """Respond to a request whose `command` is GET, HEAD or POST."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Respond; http.server calls the method that is named for the request's command."""
        self.respond()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def read_body(self) -> bytes:
        """Return the body of the request.

        Raises:
            RequestError: the request does not specify the length, or the body is too large.
        """
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RequestError(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 9 or int(length) > MAX_BODY_BYTES:
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        while len(self._body) < int(length):
            self._body += self._receive()
        return self._body[: int(length)]

    def send_whole_response(
        self,
        body: bytes,
        media_type: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a complete response. HEAD requests get it without the body."""
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send(body)

    def send(self, data: bytes) -> None:
        """Send all data.

        Raises:
            TimeoutError: the client takes too long to receive it.
        """
        self.connection.settimeout(TIMEOUT_SECONDS)
        self.wfile.write(data)

    def end_headers(self) -> None:
        """Add the headers of every response."""
        for name, value in SECURITY_HEADERS.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        super().end_headers()

    def is_disconnected(self) -> bool:
        """Return whether the client has closed the connection."""
        self.connection.setblocking(False)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False

    def send_error(
        self,
        code: int,
        message: str | None = None,
        explain: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Respond with one line of plain text."""
        status = HTTPStatus(code)
        text = f"{message or status.phrase}\n".encode()
        self.send_whole_response(text, "text/plain; charset=utf-8", status, headers)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: stderr belongs to the command."""

    def _read_head(self) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if len(data) == MAX_HEAD_BYTES:
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                raise RequestError(status if b"\r\n" in data else HTTPStatus.REQUEST_URI_TOO_LONG)
            data += self._receive(MAX_HEAD_BYTES - len(data))
        head, end, self._body = data.partition(b"\r\n\r\n")
        return head + end

    def _receive(self, max_bytes: int = 4096) -> bytes:
        """Return some bytes of the request, received before its deadline."""
        self.connection.settimeout(max(self._deadline - time.monotonic(), 1e-3))
        try:
            data: bytes = self.connection.recv(max_bytes)
        except TimeoutError:
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT) from None
        if not data:
            raise ConnectionAbortedError
        return data

    def _drain(self) -> None:
        """Read the rest of a request for a moment: unread bytes would reset the connection."""
        self.connection.shutdown(socket.SHUT_WR)
        self._deadline = time.monotonic() + _LINGER_SECONDS
        with suppress(RequestError):
            while time.monotonic() < self._deadline:
                self._receive()


@dataclass
class _Connection:
    """A connection and its thread.

    Attributes:
        network: the client, as `network_of` names it.
        ended: set when the connection was closed by the server.
        is_admitted: whether the client may stay.
        thread: handles the connection.
    """

    network: str
    ended: threading.Event = field(default_factory=threading.Event)
    is_admitted: bool = False
    thread: threading.Thread = field(default_factory=threading.current_thread)


class HttpServer(socketserver.TCPServer):
    """Serves from its construction until `close`, each connection in its own thread.

    Args:
        host: name or address to listen on.
        port: port to listen on; 0: any free port.
        handle: handles a connection; called with connection, client address and server.

    Raises:
        UsageError: the host or the port is not valid.
        MissingError: the port is in use, or the address does not belong to this machine.
    """

    allow_reuse_address = sys.platform != "win32"  # there, two programs could then listen on one port
    request_queue_size = MAX_CONNECTIONS + MAX_PENDING

    def __init__(self, host: str, port: int, handle: Callable[[Any, Any, Any], RequestHandler]) -> None:
        # The accepting thread adds and removes connections. `close` uses them after that thread has ended.
        self._connections: dict[socket.socket, _Connection] = {}
        with resolve_address(host, port) as (self.address_family, address):
            super().__init__(address, handle)
        self.server_port: int = self.server_address[1]
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop listening, disconnect all clients and join all threads."""
        self.shutdown()
        self._accepting.join()
        self.server_close()
        for request, connection in self._connections.items():
            _end(request, connection)
        for connection in self._connections.values():
            connection.thread.join(TIMEOUT_SECONDS)

    def admit(self, request: socket.socket) -> None:
        """Mark the client of a connection as admitted."""
        self._connections[request].is_admitted = True

    def pause(self, request: socket.socket, seconds: float) -> None:
        """Wait, but not longer than the server keeps a connection."""
        self._connections[request].ended.wait(seconds)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether to serve a client; refuse it if too many are admitted.

        If too many clients are not admitted yet, the oldest connection of the client that has most of them is
        closed. Connections without a token can therefore not shut viewers out.
        """
        self._connections = {
            request: connection
            for request, connection in self._connections.items()
            if connection.thread.is_alive()
        }
        pending = {
            request: connection
            for request, connection in self._connections.items()
            if not connection.is_admitted and not connection.ended.is_set()
        }
        if len(pending) >= MAX_PENDING:
            ((busiest, _),) = Counter(connection.network for connection in pending.values()).most_common(1)
            _end(*next(item for item in pending.items() if item[1].network == busiest))
        admitted = sum(connection.is_admitted for connection in self._connections.values())
        if admitted < MAX_CONNECTIONS:
            return True
        request.setblocking(False)
        with suppress(OSError):
            request.send(_BUSY_RESPONSE)
            request.recv(MAX_HEAD_BYTES)  # unread bytes would reset the connection
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a new thread."""
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connection = _Connection(network_of(str(client_address[0])))
        connection.thread = threading.Thread(
            target=self._handle_connection, args=(request, client_address), daemon=True
        )
        self._connections[request] = connection  # before the thread starts, because it may admit the client
        connection.thread.start()

    def _handle_connection(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client has disconnected, or receives nothing
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)


def _end(request: socket.socket, connection: _Connection) -> None:
    """Close a connection, which ends its thread."""
    connection.ended.set()
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


@contextmanager
def resolve_address(host: str, port: int) -> Iterator[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Yield the address family and the address of a host and port, to which the body binds a socket.

    Raises:
        UsageError: the host or the port is not valid.
        MissingError: binding failed: the port is in use, or the address does not belong to this machine.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port}: expected 1 to 65535, or 0 for any free one")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        yield family, (str(address[0]), int(address[1]))
    except UnicodeError:
        raise UsageError(f"host {host!r}: expected a name or an address") from None
    except OSError as error:
        raise MissingError(_bind_failure(host, port, error)) from error


def reachable_host(host: str) -> str:
    """Return the host part of an address that a browser on another machine can open.

    For "all addresses" (0.0.0.0 and ::) it is the address that other machines most likely reach.
    """
    if host in ("0.0.0.0", "::"):
        family = socket.AF_INET6 if host == "::" else socket.AF_INET
        elsewhere = "2001:db8::1" if host == "::" else "192.0.2.1"  # documentation addresses; nothing is sent
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                host = probe.getsockname()[0]
        except OSError:
            host = socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _bind_failure(host: str, port: int, error: OSError) -> str:
    """Return why a socket could not be bound, and what the user can do."""
    where = f"{host} port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use. End the program that serves there, or choose another port with --port."
    if error.errno == errno.EACCES:
        return f"{where} needs administrator rights. Choose a --port of 1024 or higher."
    return (
        f"cannot serve at {where}: {error.strerror}. "
        "--host takes an address of this machine, or 0.0.0.0 for all of them."
    )
