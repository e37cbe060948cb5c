"""Cameras of Windows and macOS. FFmpeg's test picture stands in for dshow and avfoundation."""

from __future__ import annotations

import errno
import sys
import types
from typing import Any

import pytest

from edgecolor_runtime import list_cameras
from edgecolor_runtime.errors import CameraError
from edgecolor_runtime.sources import cameras
from edgecolor_runtime.sources.address import is_address
from edgecolor_runtime.sources.cameras import CameraInfo, CameraRequest, find_camera
from edgecolor_runtime.sources.desktop_camera import DesktopCamera

av = pytest.importorskip("av", reason="no PyAV here")


def entry(name: str, description: str, media: str) -> types.SimpleNamespace:
    """Return what av.enumerate_input_devices returns for a device."""
    return types.SimpleNamespace(name=name, description=description, is_default=False, media_types=[media])


ENTRIES = {
    "win32": [
        entry("@device_pnp_1", "Integrated Camera", "video"),
        entry("@device_cm_2", "Microphone", "audio"),
    ],
    "darwin": [
        entry("0", "FaceTime HD Camera", "video"),
        entry("1", "Capture screen 0", "video"),
        entry("0", "Built-in Microphone", "audio"),
    ],
}
CAMERAS = {
    "win32": CameraInfo("Integrated Camera", "dshow:video=@device_pnp_1"),
    "darwin": CameraInfo("FaceTime HD Camera", "avfoundation:0"),
}


@pytest.fixture(params=["win32", "darwin"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Sets sys.platform, and the devices that PyAV lists there."""
    name = str(request.param)
    monkeypatch.setattr(sys, "platform", name)
    monkeypatch.setattr(av, "enumerate_input_devices", lambda device: ENTRIES[name], raising=False)
    return name


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Opens FFmpeg's test picture instead of a camera. The list grows by the arguments of each call."""
    real, calls = av.open, list[dict[str, Any]]()

    def open_test_picture(address: str, **options: Any) -> Any:
        calls.append({"address": address} | options)
        return real("testsrc=size=64x48:rate=30", format="lavfi", timeout=options["timeout"])

    monkeypatch.setattr(av, "open", open_test_picture)
    return calls


def test_cameras_are_listed_without_microphones_and_screens(system: str) -> None:
    assert list_cameras() == [CAMERAS[system]]


@pytest.mark.parametrize("name", [None, "0", "camera", "path"])
def test_a_camera_gives_frames(name: str | None, system: str, opened: list[dict[str, Any]]) -> None:
    name = CAMERAS[system].path if name == "path" else name
    with find_camera(name, CameraRequest(width=1280, height=720)).open() as camera:
        frames = [frame for _, frame in zip(range(3), camera, strict=False)]
    assert [frame.gray.size for frame in frames] == [(64, 48)] * 3 and camera.live
    (call,) = opened
    assert call["format"] == CAMERAS[system].path.partition(":")[0]
    assert call["address"] == CAMERAS[system].path.partition(":")[2]
    framerate = {} if system == "win32" else {"framerate": "30"}  # macOS refuses FFmpeg's own 29.97
    assert call["options"] == {"video_size": "1280x720"} | framerate


def test_no_packet_yet_is_no_end(opened: list[dict[str, Any]]) -> None:
    """A camera of macOS answers EAGAIN between frames. PyAV's generator of packets ends with this error."""
    camera = DesktopCamera("avfoundation:0", size=(64, 48), framerate=None, stall_seconds=5)
    real, answers = camera._container, iter([True, False, True, False])

    class Container:
        streams = real.streams

        @staticmethod
        def demux() -> Any:
            if next(answers):
                raise_again()
            yield from real.demux()

        close = real.close

    def raise_again() -> None:
        raise av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    camera._container = Container()
    camera._packets = camera._container.demux()
    with camera:
        frames = [frame for _, frame in zip(range(3), camera, strict=False)]
    assert len(frames) == 3 and camera.damaged == 0


def test_a_camera_that_stops_giving_frames(opened: list[dict[str, Any]]) -> None:
    camera = DesktopCamera("dshow:video=x", size=(64, 48), framerate=None, stall_seconds=0.1)
    silent = types.SimpleNamespace(stream=camera._stream, decode=list)
    camera._packets = iter(lambda: silent, None)
    with camera, pytest.raises(CameraError, match="video=x: no data from it any more"):
        next(iter(camera))


def test_a_camera_that_does_not_open(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        av.error.err_check(-errno.EIO)

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(CameraError, match=r"does not open\. End other programs .* Camera: allow"):
        find_camera(None, CameraRequest()).open()


def test_no_camera_and_no_device(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "enumerate_input_devices", lambda device: [])
    with pytest.raises(CameraError, match=r"no camera found\. Connect one, and check the right to use it"):
        find_camera(None, CameraRequest())
    monkeypatch.delattr(av, "enumerate_input_devices")
    with pytest.raises(CameraError, match=r"cannot list cameras\. Upgrade it: .* -m pip install --up"):
        find_camera(None, CameraRequest())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtsp://host/live", True),
        ("http://host/a.mjpg", True),
        (r"C:\film.mp4", False),
        ("C://film.mp4", False),
        ("album/a://b.jpg", False),
        ("/dev/video0", False),
    ],
)
def test_addresses(name: str, *, expected: bool) -> None:
    assert is_address(name) is expected


def test_without_picamera2_the_message_names_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "picamera2", None)
    text = cameras.describe_no_camera()
    assert f"it needs picamera2, which the Python environment {sys.prefix} does not have" in text
    assert "`edgecolor doctor` prints the fix" in text
