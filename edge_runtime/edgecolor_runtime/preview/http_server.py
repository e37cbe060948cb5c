"""HTTP with bounds: short requests, limits to patience and to clients, nothing left after `close`."""

from __future__ import annotations

import errno
import io
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from edgecolor_runtime.errors import MissingError, UsageError

CONNECTIONS = 96  # at once; each has a thread
HEAD_BYTES = 16 << 10  # of a request's first line and headers
BODY_BYTES = 1 << 10  # of what a request sends
PATIENCE = 10.0  # seconds for a whole request to come, and for one picture to be taken
SEND_BUFFER = 128 << 10  # bytes that the system may hold back of a stream: more would be old pictures

_LINGER = 1.0  # seconds
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

SAFETY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer."""


class RequestError(Exception):
    """A request that is answered with an error: its status, one line that says why, and more headers."""

    def __init__(self, status: HTTPStatus, why: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why or status.description or status.phrase)
        self.status = status
        self.headers = headers


class Visit(BaseHTTPRequestHandler):
    """One connection, which is one request. Subclasses `respond` to it, or raise RequestError."""

    server: Server
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # of a request that names none: it gets a status and headers, too
    server_version, sys_version = "edgecolor", ""

    def handle(self) -> None:
        """Read the head whole, then answer."""
        self.requestline = self.request_version = self.command = ""
        self._deadline = time.monotonic() + PATIENCE
        try:
            self.rfile = io.BytesIO(self._read_head())
            self.handle_one_request()
        except RequestError as error:
            self.send_error(error.status, str(error), headers=error.headers)
            self._drain()

    def respond(self) -> None:
        """Answer a request of `command` GET, HEAD or POST."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """What http.server calls, by the request's method."""
        self.respond()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def read_body(self) -> bytes:
        """What the request sends after its head."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RequestError(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 9 or int(length) > BODY_BYTES:
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        while len(self._body) < int(length):
            self._body += self._receive()
        return self._body[: int(length)]

    def answer(
        self,
        body: bytes,
        media: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole answer; to HEAD, without its body."""
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send(body)

    def send(self, data: bytes) -> None:
        """Send all of it, or raise TimeoutError where the client takes too long."""
        self.connection.settimeout(PATIENCE)
        self.wfile.write(data)

    def end_headers(self) -> None:
        """Add what every answer says."""
        for name, value in SAFETY.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        super().end_headers()

    def gone(self) -> bool:
        """Whether the client has hung up."""
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
        """Answer with a line of plain text."""
        status = HTTPStatus(code)
        text = f"{message or status.phrase}\n".encode()
        self.answer(text, "text/plain; charset=utf-8", status, headers)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: stderr belongs to the command."""

    def _read_head(self) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if len(data) == HEAD_BYTES:
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                raise RequestError(status if b"\r\n" in data else HTTPStatus.REQUEST_URI_TOO_LONG)
            data += self._receive(HEAD_BYTES - len(data))
        head, end, self._body = data.partition(b"\r\n\r\n")
        return head + end

    def _receive(self, most: int = 4096) -> bytes:
        """Some bytes of the request, before its deadline."""
        self.connection.settimeout(max(self._deadline - time.monotonic(), 1e-3))
        try:
            data: bytes = self.connection.recv(most)
        except TimeoutError:
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT) from None
        if not data:
            raise ConnectionAbortedError
        return data

    def _drain(self) -> None:
        """Read on for a moment: closed over unread bytes, a connection is reset and its answer lost."""
        self.connection.shutdown(socket.SHUT_WR)
        self._deadline = time.monotonic() + _LINGER
        with suppress(RequestError):
            while time.monotonic() < self._deadline:
                self._receive()


class Server(socketserver.TCPServer):
    """Serves from its construction to `close`, each connection in a thread.

    Args:
        host: Name or address to listen on.
        port: 0 takes a free one.
        visit: Makes a `Visit` of (connection, client, server), which does it all.

    Raises:
        UsageError: There is no such port.
        MissingError: The port is in use, or the address is none of this machine.
    """

    allow_reuse_address = True
    request_queue_size = CONNECTIONS

    def __init__(self, host: str, port: int, visit: Callable[[Any, Any, Any], Visit]) -> None:
        self._visits: dict[threading.Thread, socket.socket] = {}  # the accepting thread's, then close's
        with binding(host, port) as (self.address_family, address):
            super().__init__(address, visit)
        self.server_port: int = self.server_address[1]
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop listening, hang up on every client and join every thread."""
        self.shutdown()
        self._accepting.join()
        self.server_close()
        for thread, connection in self._visits.items():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Turn a client away where there are too many."""
        self._visits = {thread: its for thread, its in self._visits.items() if thread.is_alive()}
        if len(self._visits) < CONNECTIONS:
            return True
        request.setblocking(False)
        with suppress(OSError):
            request.send(_BUSY)
            request.recv(HEAD_BYTES)  # unread, it would reset the connection
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a visit."""
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        thread = threading.Thread(target=self._visit, args=(request, client_address), daemon=True)
        thread.start()
        self._visits[thread] = request

    def _visit(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went, or takes nothing
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)


@contextmanager
def binding(host: str, port: int) -> Iterator[tuple[socket.AddressFamily, tuple[str, int]]]:
    """The family and the address to bind a socket to, which the body does; what fails there is told.

    Raises:
        UsageError: There is no such port, or no such host name.
        MissingError: The port is in use, or the address is none of this machine.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port}: expected 1 to 65535, or 0 for any free one")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        yield family, (str(address[0]), int(address[1]))
    except UnicodeError:
        raise UsageError(f"host {host!r}: expected a name or an address") from None
    except OSError as error:
        raise MissingError(_why_not(host, port, error)) from error


def reachable(host: str) -> str:
    """How a browser elsewhere calls this host: for "all addresses", the one that others most likely reach."""
    if host in ("0.0.0.0", "::"):
        family = socket.AF_INET6 if host == "::" else socket.AF_INET
        somewhere = "2001:db8::1" if host == "::" else "192.0.2.1"  # for documentation; nothing is sent there
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((somewhere, 9))
                host = probe.getsockname()[0]
        except OSError:
            host = socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _why_not(host: str, port: int, error: OSError) -> str:
    where = f"{host} port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use; end the program that serves there, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"{where} is not for every user; choose a --port from 1024 up"
    return (
        f"cannot serve at {where}: {error.strerror}; "
        "--host takes an address of this machine, 0.0.0.0 for all of them"
    )
