"""Clients that misbehave. After each test the preview responds, and leaves no thread and no open file."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.images.jpeg import encode_jpeg
from edgecolor_runtime.preview import access, broadcast, http_server
from edgecolor_runtime.preview.server import Preview, PreviewControls

from .preview_client import ask, connect, eventually, parts, port_of, read_all, repeatedly, watch

HELLO = b"GET /statistics HTTP/1.1\r\nHost: localhost\r\n"
SHORT = 0.4  # seconds
LONG = 600.0  # seconds: a test that waits for this time limit fails


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "TIMEOUT_SECONDS", SHORT)


@pytest.fixture
def long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "TIMEOUT_SECONDS", LONG)


def status_after(preview: Preview, request: bytes) -> int:
    with connect(preview) as client:
        client.sendall(request)
        return int(read_all(client).split()[1])


POST = b"POST /saturation HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BAD_REQUESTS = {
    "endless address": (b"GET /" + b"a" * 200_000, 414),
    "long address": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "endless header": (HELLO + b"X: " + b"a" * 200_000, 431),
    "many headers": (HELLO + b"X: 1\r\n" * 200 + b"\r\n", 431),
    "endless headers": (HELLO + b"X: 1\r\n" * 50_000, 431),
    "huge body": (POST + b"Content-Length: 100000\r\n\r\n" + b" " * 100_000, 413),
    "body of an absurd length": (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
    "body without length": (POST + b"\r\n{}", 411),
    "body in chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", 411),
    "length that is no number": (POST + "Content-Length: ²\r\n\r\n".encode(), 411),
    "nul bytes": (b"\0" * 100 + b"\r\n\r\n", 400),
    "one word": (b"hello\r\n\r\n", 400),
    "four words": (b"GET / x HTTP/1.1\r\n\r\n", 400),
    "no version": (b"GET / FTP/1.1\r\n\r\n", 400),
    "future version": (b"GET / HTTP/9.1\r\nHost: localhost\r\n\r\n", 505),
    "version with letters": (b"GET / HTTP/1.x\r\nHost: localhost\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 421),
    "request of HTTP 0.9": (b"GET /\r\n\r\n", 421),
    "header without colon": (b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 421),
}


@pytest.mark.parametrize(("request_", "status"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_request(preview: Preview, request_: bytes, status: int) -> None:
    assert status_after(preview, request_) == status


def test_a_client_that_still_sends_gets_the_response(preview: Preview) -> None:
    """The request is refused while the client still sends. It reads the response afterwards."""
    with connect(preview) as client:
        sender = threading.Thread(target=client.sendall, args=(HELLO + b"X: " + b"a" * 3_000_000,))
        sender.start()
        assert b" 431 " in read_all(client).splitlines()[0]
        sender.join()


@pytest.mark.usefixtures("short_timeout")
@pytest.mark.parametrize("begun", [b"", b"GET", HELLO, POST + b"Content-Length: 9\r\n\r\n{"], ids=len)
def test_half_a_request_times_out(preview: Preview, begun: bytes) -> None:
    begin = time.monotonic()
    assert status_after(preview, begun) == 408
    assert time.monotonic() - begin >= SHORT


@pytest.mark.usefixtures("short_timeout")
def test_the_time_limit_is_for_the_whole_request(preview: Preview) -> None:
    with connect(preview) as client:
        begin = time.monotonic()
        try:
            while time.monotonic() < begin + 60:
                client.sendall(b"G")
                time.sleep(SHORT / 10)
        except OSError:
            pass  # hung up
        assert time.monotonic() - begin < 50


def test_disconnected_before_the_request(preview: Preview) -> None:
    for _ in range(20):
        connect(preview).close()


def test_disconnected_before_the_response(preview: Preview) -> None:
    for _ in range(20):
        with connect(preview) as client:
            client.sendall(HELLO + b"\r\n")


def reset(client: socket.socket) -> None:
    """Reset the connection, as a crashed client does."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_disconnected_in_the_middle_of_a_picture(preview: Preview, shot: Callable[[], Shot]) -> None:
    with repeatedly(lambda: preview.show(shot()), 0.005):
        for _ in range(10):
            client = watch(preview)
            assert client.recv(2000)
            reset(client)
        assert eventually(lambda: not preview.pictures.viewers)


@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "close"])
def test_disconnected_while_there_is_no_new_picture(
    preview: Preview, shot: Callable[[], Shot], leave: Callable[[socket.socket], None]
) -> None:
    preview.show(shot())
    client = watch(preview)
    assert client.recv(2000)
    assert preview.pictures.viewers == {"color": 1}
    leave(client)
    assert eventually(lambda: not preview.pictures.viewers)


@pytest.mark.usefixtures("long_timeout")
def test_a_slow_client_gets_the_latest_picture_and_delays_nobody(
    preview: Preview, shot: Callable[..., Shot]
) -> None:
    """It reads nothing while 300 pictures are shown. Then it reads the buffered ones, and then the last."""
    shots = [shot() for _ in range(300)]
    with watch(preview, receive_buffer=4096) as client, client.makefile("rb") as file:
        preview.show(shots[0])
        stream = parts(file)
        next(stream)
        begin = time.monotonic()
        for each in shots[1:]:
            preview.show(each)
        assert time.monotonic() - begin < LONG / 2
        last = encode_jpeg(shot(0.5).frame)
        preview.show(shot(0.5))
        taken = 1
        while next(stream) != last:
            taken += 1
    assert taken < 50


@pytest.mark.usefixtures("short_timeout")
def test_a_client_that_reads_nothing_is_disconnected(preview: Preview, shot: Callable[[], Shot]) -> None:
    with (
        repeatedly(lambda: preview.show(shot()), 0.005),
        watch(preview, receive_buffer=4096) as stuck,
        watch(preview) as lively,
        lively.makefile("rb") as file,
    ):
        stream = parts(file)
        assert next(stream)
        assert eventually(lambda: next(stream) and preview.pictures.viewers == {"color": 1})
        assert stuck.fileno() >= 0


def test_fifty_clients_at_once(preview: Preview, shot: Callable[[], Shot]) -> None:
    taken: list[int] = []

    def take() -> None:
        with watch(preview) as client, client.makefile("rb") as file:
            taken.append(sum(1 for _, jpeg in zip(range(5), parts(file), strict=False) if jpeg))

    threads = [threading.Thread(target=take) for _ in range(50)]
    with repeatedly(lambda: preview.show(shot())):
        for thread in threads:
            thread.start()
        assert ask(preview, "/statistics").status == 200
        for thread in threads:
            thread.join()
    assert taken == [5] * 50


def test_the_number_of_streams_is_limited(
    preview: Preview, shot: Callable[[], Shot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "MAX_STREAMS", 3)
    preview.show(shot())
    with ExitStack() as stack:
        clients = [stack.enter_context(watch(preview, view)) for view in ("color", "gray", "gray")]
        assert all(client.recv(12) == b"HTTP/1.1 200" for client in clients)
        refused = ask(preview, "/stream/color")
        assert refused.status == 503 and b"3 streams" in refused.body
        assert ask(preview, "/statistics").status == 200  # existing streams continue
    assert eventually(lambda: not preview.pictures.viewers)
    with watch(preview) as client:
        assert client.recv(12) == b"HTTP/1.1 200"


def test_the_number_of_connections_is_limited(preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "MAX_CONNECTIONS", 3)
    with ExitStack() as stack:
        watching = [stack.enter_context(watch(preview)) for _ in range(3)]
        assert eventually(lambda: status_or_none(preview) == 503)
        for client in watching:
            client.close()
        assert eventually(lambda: status_or_none(preview) == 200)


def test_silent_connections_do_not_shut_viewers_out(
    preview: Preview, shot: Callable[[], Shot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many clients connect and send nothing. A viewer goes on watching, and others are served."""
    monkeypatch.setattr(http_server, "MAX_PENDING", 8)
    preview.show(shot())
    with ExitStack() as stack:
        viewer = stack.enter_context(watch(preview))
        assert viewer.recv(12) == b"HTTP/1.1 200"
        silent = [stack.enter_context(connect(preview)) for _ in range(100)]
        assert ask(preview, "/statistics").status == 200
        assert read_all(silent[0]) == b"", "the oldest was replaced"
        preview.show(shot())
        assert viewer.recv(100)
        assert len(preview._server._connections) < 3 * 8


def test_connections_without_the_token_do_not_shut_viewers_out(
    controls: PreviewControls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong tokens wait for their answers, and their connections are replaced as well."""
    monkeypatch.setattr(access, "_FIRST_DELAY_SECONDS", LONG)
    monkeypatch.setattr(access, "MAX_DELAY_SECONDS", LONG)
    preview = Preview(host="0.0.0.0", port=0, token="right-token-0123456", controls=controls)
    bearer = {"Authorization": "Bearer right-token-0123456"}
    with ExitStack() as stack:
        stack.callback(preview.close)
        for number in range(200):
            client = stack.enter_context(connect(preview))
            client.sendall(f"GET /?token=wrong{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert ask(preview, "/statistics", headers=bearer).status == 200, "it waits for nothing"


def status_or_none(preview: Preview) -> int | None:
    try:
        return ask(preview, "/statistics").status
    except OSError:
        return None


@pytest.mark.usefixtures("long_timeout")
def test_closing_disconnects_all_clients(controls: PreviewControls, shot: Callable[[], Shot]) -> None:
    """One client watches, one reads nothing, one sends nothing, and one was refused and still sends."""
    before = threading.active_count()
    preview = Preview(port=0, controls=controls)
    with (
        watch(preview) as lively,
        watch(preview, receive_buffer=4096) as stuck,
        connect(preview) as silent,
        connect(preview) as refused,
    ):
        refused.sendall(HELLO + b"X: " + b"a" * 50_000)
        assert eventually(lambda: preview.pictures.viewers == {"color": 2})
        for _ in range(100):
            preview.show(shot())
        begin = time.monotonic()
        preview.close()
        assert time.monotonic() - begin < LONG / 2
        assert threading.active_count() == before
        assert read_all(lively)
        assert stuck.recv(100)
        assert read_all(silent) == b""
    preview.close()  # a second time
    preview.show(shot())  # without viewers
    with pytest.raises(ConnectionError):
        ask(preview, "/")


def test_a_port_can_be_used_again_at_once(controls: PreviewControls, shot: Callable[[], Shot]) -> None:
    preview = Preview(port=0, controls=controls)
    port = port_of(preview)
    for _ in range(3):
        preview.show(shot())
        with watch(preview) as client:
            assert client.recv(100)
            preview.close()
        preview = Preview(port=port, controls=controls)
    preview.close()


def test_an_error_of_the_loop_breaks_one_response(
    live: object, capfd: pytest.CaptureFixture[str], preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(preview.controls, "_read_statistics", lambda: 1 / 0)
        with pytest.raises(OSError, match=r"closed|reset"):
            ask(preview, "/statistics")
    assert "ZeroDivisionError" in capfd.readouterr().err
