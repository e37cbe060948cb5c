"""The cameras that V4L2 lists, and the camera that a name means."""

from __future__ import annotations

import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from edgecolor_runtime import UsageError
from edgecolor_runtime.errors import CameraError
from edgecolor_runtime.sources import cameras, v4l2
from edgecolor_runtime.sources.cameras import CameraInfo, CameraRequest, find_camera
from edgecolor_runtime.sources.orientation import UPRIGHT, Orientation

CAPTURE, METADATA = 0x04200001, 0x04A00000  # device_caps as the uvcvideo driver reports them


class Kernel:
    """Answers the requests to a device, in the layout of videodev2.h."""

    def __init__(self, drivers: dict[str, tuple[str, int]]) -> None:
        self.drivers = drivers

    def __call__(self, descriptor: int, request: int, answer: bytearray) -> int:
        device = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        driver, capabilities = self.drivers[Path(device).name]
        if request == 0x80685600:
            assert len(answer) == 104
            answer[:16] = driver.encode().ljust(16, b"\0")
            answer[84:92] = struct.pack("=II", 0x84A00001, capabilities)
            return 0
        (index,) = struct.unpack_from("=I", answer)
        sizes = [(640, 480), (1280, 720)]
        if request == 0xC0405602 and index < 2:
            assert len(answer) == 64 and answer[4] == 1
            answer[44:48] = (b"YUYV", b"MJPG")[index]
            return 0
        if request == 0xC02C564A and bytes(answer[4:8]) == b"YUYV" and index < 2:
            assert len(answer) == 44
            answer[8:20] = struct.pack("=III", 1, *sizes[index])
            return 0
        raise OSError(errno.EINVAL, "Invalid argument")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A webcam with two device files, a device of the Pi's own camera chain, and another camera."""
    for number, name in [(0, "HD Webcam"), (1, "HD Webcam"), (2, "unicam-image"), (10, "Other cam")]:
        (tmp_path / "sys" / f"video{number}").mkdir(parents=True)
        (tmp_path / "sys" / f"video{number}" / "name").write_text(f"{name}\n")
        (tmp_path / f"video{number}").touch()
    return tmp_path


KERNEL = Kernel(
    {
        "video0": ("uvcvideo", CAPTURE),
        "video1": ("uvcvideo", METADATA),
        "video2": ("unicam", CAPTURE),
        "video10": ("uvcvideo", CAPTURE),
    }
)


def test_v4l2_lists_the_devices_that_give_frames(machine: Path) -> None:
    devices = v4l2.list_devices(machine / "sys", machine, KERNEL)
    formats = ("YUYV 640x480 1280x720", "MJPG")
    assert devices == [
        v4l2.V4l2Device(str(machine / "video0"), "HD Webcam", formats),
        v4l2.V4l2Device(str(machine / "video10"), "Other cam", formats),
    ]


def test_a_device_that_may_not_be_opened_is_listed_without_formats(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: Path, flags: int) -> int:
        if path.name == "video10":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    devices = v4l2.list_devices(machine / "sys", machine, KERNEL)
    assert devices[-1] == v4l2.V4l2Device(str(machine / "video10"), "Other cam")


def test_plain_files_are_not_listed(machine: Path) -> None:
    """The real ioctl fails for plain files with ENOTTY."""
    assert v4l2.list_devices(machine / "sys", machine) == []
    assert v4l2.list_devices(machine / "none", machine) == []


def test_holders_of_a_file() -> None:
    """Another process that has the file open is listed; this process is not."""
    import subprocess

    with Path(__file__).open() as mine:
        assert v4l2.find_holders(lambda target: target == mine.name) == []
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=mine) as other:
            holders = v4l2.find_holders(lambda target: target == os.path.realpath(__file__))
            other.communicate(b"\n")
    assert [pid for pid, _ in holders] == [other.pid]


@pytest.fixture
def three_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras_here = [
        CameraInfo("imx219", "picamera2:0"),
        CameraInfo("HD Webcam", "/dev/video0"),
        CameraInfo("Webcam", "/dev/video2"),
    ]
    monkeypatch.setattr(cameras, "list_cameras", lambda: cameras_here)


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        (None, "Pi camera 0 (imx219)"),
        ("0", "Pi camera 0 (imx219)"),
        ("1", "/dev/video0"),
        ("IMX", "Pi camera 0 (imx219)"),
        ("hd web", "/dev/video0"),
        ("/dev/video7", "/dev/video7"),
        ("rtsp://host/live", "rtsp://host/live"),
    ],
)
def test_which_camera_a_name_means(three_cameras: None, name: str | None, camera: str) -> None:
    assert find_camera(name, CameraRequest()).name == camera


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("3", CameraError, "no camera 3: this machine has 3"),
        ("kinect", CameraError, "no camera has kinect in its name"),
        ("webcam", UsageError, "webcam fits 2 cameras"),
    ],
)
def test_a_name_that_fits_no_camera_or_two(
    three_cameras: None, name: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        find_camera(name, CameraRequest())


def test_sensor_and_reader_share_the_orientation(three_cameras: None) -> None:
    """The Pi camera's sensor mirrors, and thereby rotates by 180 degrees. The loop does the rest."""
    upside_down, quarter = Orientation(180, hflip=True), Orientation(90, vflip=True)
    assert find_camera("0", CameraRequest(orientation=upside_down)).orientation == UPRIGHT
    assert find_camera("0", CameraRequest(orientation=quarter)).orientation == quarter
    assert find_camera("1", CameraRequest(orientation=upside_down)).orientation == upside_down


def test_a_recording_has_its_own_size(three_cameras: None, tmp_path: Path) -> None:
    for name in (str(tmp_path), "http://host/"):
        with pytest.raises(UsageError, match="--width and --height are for cameras"):
            find_camera(name, CameraRequest(width=320))
    with pytest.raises(UsageError, match="its own frame rate"):
        find_camera("http://host/", CameraRequest(framerate=5))
