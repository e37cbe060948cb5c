"""Live streams to a server and as HLS: pictures arrive, a lost server is found, failures are one line."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime.colors.frame import ColorFrame, Shot
from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.outputs import publisher as publisher_module
from edgecolor_runtime.outputs.publisher import StreamPublisher, is_published

from .rtsp_server import RtspServer


def shots(seconds: float = 60) -> Iterator[Shot]:
    """Yield frames of a moving ramp, 25 per second, for a time."""
    begun = time.monotonic()
    for number in range(round(25 * seconds)):
        luma = np.tile(((np.arange(160) + 4 * number) % 256).astype(np.uint8), (120, 1))
        frame = ColorFrame(Image.fromarray(luma), np.full((56, 56, 2), 20, np.float32))
        yield Shot(number, frame, time.monotonic())
        time.sleep(max(0.0, begun + number / 25 - time.monotonic()))


def test_pictures_arrive_at_a_server() -> None:
    with RtspServer() as server:
        publisher = StreamPublisher(server.address)
        for shot in shots():
            publisher.write(shot)
            if server.pictures >= 10:
                break
        publisher.finish()
        assert server.pictures >= 10 and server.sessions == 1
    assert publisher.path == server.address


def test_a_server_that_restarts_is_found_again() -> None:
    messages: list[str] = []
    first = RtspServer()
    publisher = StreamPublisher(first.address, reconnect=True, on_message=messages.append)
    frames = shots(120)
    for shot in frames:
        publisher.write(shot)
        if first.pictures >= 5:
            break
    first.close()
    for shot in frames:
        publisher.write(shot)
        if messages:
            break
    with RtspServer(first.port) as second:
        for shot in frames:
            publisher.write(shot)
            if second.pictures >= 5:
                break
        publisher.finish()
        assert second.pictures >= 5
    assert messages[0].startswith(f"{first.address}: cannot be sent: ")
    assert messages[0].endswith("; waiting for it")
    assert messages[1:] == [f"{first.address}: connected again"]


def test_no_server_is_one_line_without_the_password() -> None:
    with RtspServer() as server:
        port = server.port
    publisher = StreamPublisher(f"rtsp://user:secret@127.0.0.1:{port}/door")
    with pytest.raises(PictureError) as caught:
        for shot in shots():
            publisher.write(shot)
    publisher.discard()
    text = str(caught.value)
    assert text.startswith(f"rtsp://***@127.0.0.1:{port}/door: cannot be sent: Connection refused. Start the")
    assert "--reconnect" in text and "secret" not in text


def test_a_server_that_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "STALL_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publisher = StreamPublisher(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/door")
        written = 0
        with pytest.raises(PictureError, match="cannot be sent: the server does not answer"):
            for shot in shots():
                publisher.write(shot)
                written += 1
        publisher.discard()
    assert written > 3, "the loop did not wait for the server"


def test_other_addresses_are_refused() -> None:
    with pytest.raises(UsageError, match=r"published with RTSP .* or as HLS"):
        StreamPublisher("http://host/door")


def test_hls_plays(tmp_path: Path) -> None:
    playlist = tmp_path / "www" / "door.m3u8"
    assert is_published(playlist) and not is_published(tmp_path / "door.mp4")
    publisher = StreamPublisher(playlist)
    count = 0
    for shot in shots(3):
        publisher.write(shot)
        count += 1
    publisher.finish()
    with av.open(str(playlist)) as container:
        pictures = list(container.decode(video=0))
    assert 10 < len(pictures) == count - publisher.skipped
    assert (pictures[0].width, pictures[0].height) == (160, 120)
    assert "#EXT-X-ENDLIST" in playlist.read_text("utf-8")
    assert len(list(playlist.parent.glob("*.ts"))) >= 2
