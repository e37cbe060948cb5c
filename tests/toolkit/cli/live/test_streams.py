"""Streams over the loopback, and folders and files played like a camera, with their failures."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime import LiveOptions, LiveSession, Shot

MODEL = Path(__file__).parents[3] / "edge_runtime" / "data" / "tiny-int8.tflite"
W, H = 64, 48


def transport_stream(sizes: list[tuple[int, int]], each: int = 30) -> bytes:
    """Return an MPEG transport stream whose pictures change their size."""
    data = b""
    for part, (width, height) in enumerate(sizes):
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mpegts") as out:
            stream = out.add_stream("mpeg2video", rate=25, options={"g": "5"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number in range(each):
                gray = np.full((height, width), 60 + number, np.uint8)
                frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p")
                frame.pts, frame.time_base = part * each + number, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        data += buffer.getvalue()
    return data


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Returns the function that serves bytes by HTTP: at once, in pieces, or never to the end."""
    servers: list[http.server.ThreadingHTTPServer] = []
    released = threading.Event()

    def start(data: bytes, *, status: int = 200, piece: int = 0, hang: bool = False) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                if not hang:  # without a length FFmpeg takes the end for a broken connection
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    for at in range(0, len(data), piece or len(data) or 1):
                        self.wfile.write(data[at : at + (piece or len(data))])
                        time.sleep(0.02 if piece else 0)
                    if hang:
                        released.wait(20)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    released.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_network_stream(
    serve: Callable[..., str], watch: Callable[..., int], last_stats: Callable[[], dict[str, Any]]
) -> None:
    assert watch(serve(transport_stream([(W, H)]), piece=2000)) == 0
    assert last_stats()["size"] == [W, H]


def test_a_stream_that_changes_its_size(
    serve: Callable[..., str], tmp_path: Path, run: Callable[..., int]
) -> None:
    """A recording scales later frames to the size of the first."""
    address = serve(transport_stream([(W, H), (128, 96)]), piece=4000)
    assert run("--camera", address, "-o", tmp_path / "o.mkv") == 0
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert {(frame.width, frame.height) for frame in container.decode(video=0)} == {(W, H)}


def test_damaged_packets_of_a_stream_are_skipped(
    serve: Callable[..., str], watch: Callable[..., int], last_stats: Callable[[], dict[str, Any]]
) -> None:
    data = bytearray(transport_stream([(W, H)], each=60))
    half = len(data) // 2
    data[half : half + 3000] = np.random.default_rng(0).bytes(3000)
    assert watch(serve(bytes(data), piece=1500), "--frames", 5) == 0
    assert last_stats()["frames"] == 5


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (b"", {"status": 404}, "404"),
        (b"", {"status": 401}, "401"),
        (b"<html>log in first</html>" * 200, {}, "Invalid data found"),
        (b"", {"hang": True}, "no data from it any more"),
        (transport_stream([(W, H)], each=3), {"hang": True}, "no "),
    ],
    ids=["not found", "not allowed", "no video", "silent", "falls silent"],
)
def test_a_stream_fails(
    serve: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    options: dict[str, Any],
    message: str,
    watch: Callable[..., int],
) -> None:
    assert watch(serve(data, **options)) == 4
    error = capsys.readouterr().err
    assert error.startswith("edgecolor: http://127.0.0.1") and message in error and error.count("\n") == 1


SECRETS = ("Quixote", "Dulcinea", "Rocinante")


def with_secrets(address: str) -> str:
    """Return an address of a local server with a user, a password and a key."""
    return address.replace("://", f"://{SECRETS[0]}:{SECRETS[1]}@") + f"?auth={SECRETS[2]}"


@pytest.mark.parametrize("output", ["--stats", "--json"])
def test_secrets_of_an_address_are_not_in_the_output(
    serve: Callable[..., str],
    run: Callable[..., int],
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    output: str,
) -> None:
    """Neither in the results nor in the messages about a camera that goes and comes back."""
    address = with_secrets(serve(transport_stream([(W, H)]), piece=2000))
    assert run("--camera", address, "-o", tmp_path / "a.mkv", output, "--frames", 40, "--reconnect") == 0
    captured = capfd.readouterr()
    assert "***@127.0.0.1" in captured.out and "waiting for it" in captured.err
    assert not [secret for secret in SECRETS if secret in captured.out + captured.err]


@pytest.mark.parametrize("options", [{"status": 401}, {"status": 404}, {"hang": True}], ids=str)
def test_secrets_of_an_address_are_not_in_errors(
    serve: Callable[..., str],
    watch: Callable[..., int],
    capfd: pytest.CaptureFixture[str],
    options: dict[str, Any],
) -> None:
    address = with_secrets(serve(b"", **options))
    assert watch(address) == 4
    assert watch(address, "--width", 640) == 2
    assert watch(address, "--framerate", 5) == 2
    assert main(["run", address]) == 2
    captured = capfd.readouterr()
    assert captured.err.count("***@127.0.0.1") >= 4
    assert not [secret for secret in SECRETS if secret in captured.out + captured.err]


def test_secrets_of_an_address_are_not_on_the_page(serve: Callable[..., str]) -> None:
    address = with_secrets(serve(transport_stream([(W, H)]), piece=2000))
    pages: list[str] = []

    def visit(shot: Shot) -> None:
        if not pages:
            for path in ("", "statistics"):
                with urllib.request.urlopen(f"{session.address}{path}", timeout=60) as answer:
                    pages.append(answer.read().decode())

    with LiveSession(address, LiveOptions(model=MODEL, port=0, max_frames=5)) as session:
        session.run(on_frame=visit)
    assert "***@127.0.0.1" in pages[1]
    assert not [secret for secret in SECRETS if any(secret in page for page in pages)]


def test_no_server_at_the_address(capsys: pytest.CaptureFixture[str], watch: Callable[..., int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert watch(f"http://127.0.0.1:{port}/") == 4
    assert "Connection refused" in capsys.readouterr().err


def test_a_stream_with_audio_only(
    serve: Callable[..., str], capsys: pytest.CaptureFixture[str], watch: Callable[..., int]
) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as out:
        track: Any = out.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.rate = 8000
        out.mux(track.encode(frame))
    assert watch(serve(buffer.getvalue())) == 4
    assert "no pictures in this stream" in capsys.readouterr().err


def test_a_damaged_picture_of_a_folder_is_skipped(
    tmp_path: Path, watch: Callable[..., int], last_stats: Callable[[], dict[str, Any]]
) -> None:
    for name in ("a.png", "c.png"):
        Image.new("L", (W, H), 90).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"garbage")
    assert watch(tmp_path, "--framerate", 50) == 0
    assert last_stats()["frames"] == 5


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no pictures in this folder"),
        ({"a.png": b"garbage", "b.jpg": b""}, "none of its pictures can be opened"),
        ({"notes.txt": b"hello"}, "no pictures in this folder"),
    ],
    ids=["empty", "damaged", "text"],
)
def test_a_folder_without_pictures(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, bytes],
    message: str,
    watch: Callable[..., int],
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert watch(tmp_path) == 1
    assert message in capsys.readouterr().err


def test_a_file_that_is_not_a_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], watch: Callable[..., int]
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"not at all")
    assert watch(tmp_path / "a.mp4") == 1
    assert "a.mp4: not a video" in capsys.readouterr().err


@pytest.fixture
def slow_camera() -> Iterator[str]:
    """The address of a camera that sends a picture every second."""
    picture = io.BytesIO()
    Image.new("L", (W, H), 90).save(picture, "JPEG")
    released = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            part = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {picture.tell()}\r\n\r\n"
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(part.encode() + picture.getvalue() + b"\r\n")
                    if released.wait(1):
                        return

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    released.set()
    server.shutdown()
    server.server_close()


def test_a_slow_camera_has_a_stall_time_of_its_own(
    slow_camera: str, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The default is 0.7 s in these tests, 5 s otherwise."""
    assert run("--camera", slow_camera, "--no-preview", "--frames", 3) == 4
    assert "a slower camera needs --stall TIME" in capsys.readouterr().err
    assert run("--camera", slow_camera, "--no-preview", "--frames", 2, "--stall", "20s", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["latency_from"]) == (2, "arrival")
    assert run("photo.jpg", "--stall", "20s") == 2


def test_a_slow_recording_does_not_stall(tmp_path: Path, run: Callable[..., int]) -> None:
    Image.new("L", (W, H), 90).save(tmp_path / "a.png")
    assert run("--camera", tmp_path, "--framerate", 0.8, "--no-preview", "--frames", 2) == 0
