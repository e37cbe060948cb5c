"""`edgecolor run --camera` on a Pi camera that works, is busy, stalls, sends bad frames or goes away.

The camera is a fake picamera2. It behaves like the source code and the manual of the real one.
"""

from __future__ import annotations

import concurrent.futures
import json
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor_runtime.sources import v4l2

W, H = 64, 48


class Pi:
    """The behavior of the fake camera. A test changes it."""

    info: tuple[dict[str, Any], ...] = (
        {"Model": "imx219", "Num": 0, "Id": "/base/soc/i2c0mux/i2c@1/imx219@10"},
    )
    open_error: Exception | None = None
    configure_error: Exception | None = None
    start_error: Exception | None = None
    padding = 0
    opened = 0
    held = 0  # requests that are not released
    taken = 0
    configuration: Any = None
    # Number of a frame -> its planes (None: the frame does not arrive), and its metadata.
    frame: Any = staticmethod(lambda number: Pi.planes(W, H))
    metadata: Any = staticmethod(
        lambda number: {"SensorTimestamp": time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 5_000_000}
    )

    @staticmethod
    def planes(width: int, height: int) -> Any:
        rows = np.full((height * 3 // 2, width + Pi.padding), 128, np.uint8)
        rows[:height, :width] = np.linspace(40, 200, width).astype(np.uint8)
        rows[:, width:] = 255
        return rows


class Request:
    def __init__(self, planes: Any, metadata: dict[str, Any]) -> None:
        self.planes, self.metadata = planes, metadata
        Pi.held += 1

    def make_array(self, name: str) -> Any:
        assert name == "main"
        return self.planes

    def get_metadata(self) -> dict[str, Any]:
        return self.metadata

    def release(self) -> None:
        Pi.held -= 1


class Job:
    def get_result(self, timeout: float | None = None) -> Request:
        time.sleep(0.01)
        planes = Pi.frame(Pi.taken)
        if planes is None:
            time.sleep(timeout or 60)
            raise concurrent.futures.TimeoutError
        Pi.taken += 1
        return Request(planes, Pi.metadata(Pi.taken - 1))


class Picamera2:
    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return list(Pi.info)

    def __init__(self, number: int = 0) -> None:
        try:
            Pi.info[number]
            if Pi.open_error:
                raise Pi.open_error
        except Exception:
            raise RuntimeError("Camera __init__ sequence did not complete.")  # noqa: B904 - as it does
        Pi.opened += 1

    def create_video_configuration(self, **settings: Any) -> dict[str, Any]:
        return settings

    def configure(self, configuration: dict[str, Any]) -> None:
        if Pi.configure_error:
            raise Pi.configure_error
        assert configuration["main"]["format"] == "YUV420" and configuration["color_space"] == "sYCC"
        Pi.configuration = configuration

    def camera_configuration(self) -> dict[str, Any]:
        return {"main": {"format": "YUV420", "size": (W, H), "stride": W + Pi.padding}}

    def start(self) -> None:
        if Pi.start_error:
            raise Pi.start_error

    def capture_request(self, wait: bool | None = None) -> Job:
        assert wait is False
        return Job()

    def close(self) -> None:
        Pi.opened -= 1


@pytest.fixture
def pi(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Pi]]:
    """A Pi camera. At the end of the test it must be closed, with all requests released."""
    for name in [name for name in vars(Pi) if not name.startswith("_")]:
        monkeypatch.setattr(Pi, name, vars(Pi)[name])
    library, libcamera = types.ModuleType("picamera2"), types.ModuleType("libcamera")
    library.Picamera2 = Picamera2  # type: ignore[attr-defined]
    libcamera.ColorSpace = types.SimpleNamespace(Sycc=lambda: "sYCC")  # type: ignore[attr-defined]
    libcamera.Transform = lambda **mirrors: mirrors  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", library)
    monkeypatch.setitem(sys.modules, "libcamera", libcamera)
    yield Pi
    assert (Pi.opened, Pi.held) == (0, 0)


def test_pi_camera(pi: type[Pi], watch: Callable[..., int], last_stats: Callable[[], dict[str, Any]]) -> None:
    assert watch("--hflip", "--rotation", 180, "--framerate", 50, "--width", W, "--height", H) == 0
    stats = last_stats()
    assert (stats["frames"], stats["size"], stats["source"]) == (5, [W, H], "Pi camera 0 (imx219)")
    assert 5 <= stats["stages_ms"]["capture"]["p50"] < 500
    assert pi.configuration["transform"] == {"hflip": False, "vflip": True}
    assert pi.configuration["controls"] == {"FrameDurationLimits": (20_000, 20_000)}
    assert pi.configuration["main"]["size"] == (W, H)


def test_pi_camera_is_listed(pi: type[Pi], capsys: pytest.CaptureFixture[str]) -> None:
    pi.info = (*pi.info, {"Model": "Webcam", "Num": 1, "Id": "/base/soc/usb@7e980000/usb-port@1-1.2:1.0"})
    assert main(["run", "--list-cameras", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "imx219", "path": "picamera2:0", "formats": []}]


def fails_to_open(text: str) -> Callable[[type[Pi]], None]:
    def fault(pi: type[Pi]) -> None:
        pi.open_error = RuntimeError(text)

    return fault


def fails_to_configure(pi: type[Pi]) -> None:
    pi.configure_error = RuntimeError("Invalid size requested")


def fails_to_start(pi: type[Pi]) -> None:
    pi.start_error = RuntimeError("Failed to start camera: Broken pipe")


def stalls(pi: type[Pi]) -> None:
    pi.frame = staticmethod(lambda number: None if number >= 2 else pi.planes(W, H))


def never_sends(pi: type[Pi]) -> None:
    pi.frame = staticmethod(lambda number: None)


def goes_away(pi: type[Pi]) -> None:
    def frame(number: int) -> Any:
        if number >= 2:
            raise RuntimeError("Camera frontend has timed out!")
        return pi.planes(W, H)

    pi.frame = staticmethod(frame)


def sends_another_size(pi: type[Pi]) -> None:
    pi.frame = staticmethod(lambda number: pi.planes(W, H) if number < 2 else pi.planes(W // 2, H))


def sends_one_row(pi: type[Pi]) -> None:
    pi.frame = staticmethod(lambda number: np.zeros(W * H * 3 // 2, np.uint8))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            fails_to_open("Failed to acquire camera: Device or resource busy"),
            "in use by another program. End that",
        ),
        (fails_to_open("Camera in Configured state trying acquire() requiring state Available"), "in use by"),
        (fails_to_open("Camera(s) not found"), "no such camera. Check its cable"),
        (fails_to_configure, "Invalid size requested"),
        (fails_to_start, "Broken pipe"),
        (stalls, "no frame for 0.7 s"),
        (never_sends, "no frame for 0.7 s"),
        (goes_away, "Camera frontend has timed out!"),
        (sends_another_size, "got a frame of (72, 32), not of 48 rows of 64 pixels"),
        (sends_one_row, "got a frame of (4608,)"),
    ],
    ids=lambda value: getattr(value, "__name__", value)[:30],
)
def test_pi_camera_fails(
    pi: type[Pi],
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[type[Pi]], None],
    message: str,
    watch: Callable[..., int],
) -> None:
    fault(pi)
    assert watch() == 4
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("edgecolor: Pi camera 0") and message in error


def test_the_program_that_uses_the_camera_is_named(
    pi: type[Pi],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    watch: Callable[..., int],
) -> None:
    (tmp_path / "812" / "fd").mkdir(parents=True)
    (tmp_path / "812" / "fd" / "9").symlink_to("/dev/media3")
    (tmp_path / "812" / "comm").write_text("rpicam-vid\n")
    (tmp_path / "813" / "fd").mkdir(parents=True)
    monkeypatch.setattr(v4l2, "PROCESSES", tmp_path)
    pi.open_error = RuntimeError("Failed to acquire camera: Device or resource busy")
    assert watch() == 4
    assert "in use by rpicam-vid (pid 812). End that program first." in capsys.readouterr().err


def test_padded_rows_are_cut(pi: type[Pi], tmp_path: Path, watch: Callable[..., int]) -> None:
    pi.padding = 32
    assert watch("-o", tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "frame-000005.jpg") as picture:
        gray = np.asarray(picture.convert("L")).astype(int)
    assert gray.shape == (H, W)
    assert np.abs(gray - np.linspace(40, 200, W).astype(int)).max() < 12


@pytest.mark.parametrize("stamp", [None, 0, 1 << 62], ids=["none", "long ago", "in the future"])
def test_odd_time_stamps(
    pi: type[Pi], stamp: int | None, watch: Callable[..., int], last_stats: Callable[[], dict[str, Any]]
) -> None:
    pi.metadata = staticmethod(lambda number: {} if stamp is None else {"SensorTimestamp": stamp})
    assert watch() == 0
    assert last_stats()["stages_ms"]["capture"]["p50"] >= 0


@pytest.mark.parametrize("fault", [stalls, goes_away], ids=lambda fault: fault.__name__)
def test_reconnect(
    pi: type[Pi],
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[type[Pi]], None],
    watch: Callable[..., int],
) -> None:
    """The camera comes back at the third attempt, and the frames continue."""
    good = pi.frame
    fault(pi)
    tries = []

    def open_again(self: Any, number: int = 0) -> None:
        tries.append(number)
        if len(tries) in (2, 3):
            raise RuntimeError("Camera __init__ sequence did not complete.")
        if len(tries) == 4:
            pi.frame = staticmethod(good)
        Pi.opened += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Picamera2, "__init__", open_again)
        assert watch("--reconnect") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["frames"] == 5 and len(tries) == 4
    notes = [line for line in captured.err.splitlines() if line.endswith("waiting for it")]
    assert len(notes) == 2, "one message that it is gone, and one why it cannot be opened"


def test_a_recording_keeps_the_frames_before_the_camera_was_gone(
    pi: type[Pi], tmp_path: Path, capsys: pytest.CaptureFixture[str], watch: Callable[..., int]
) -> None:
    goes_away(pi)
    assert watch("-o", tmp_path / "out.mkv") == 4
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert 1 <= len(list(container.decode(video=0))) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


def test_a_slow_reader_drops_frames_and_does_not_lag(
    pi: type[Pi],
    monkeypatch: pytest.MonkeyPatch,
    watch: Callable[..., int],
    last_stats: Callable[[], dict[str, Any]],
) -> None:
    """Frames come every 10 ms, and each takes 60 ms to be shown."""
    from edgecolor_runtime import LiveSession

    monkeypatch.setattr(LiveSession, "_show", lambda *_: time.sleep(0.06))
    assert watch() == 0
    stats = last_stats()
    assert stats["dropped"] >= 4
    assert stats["stages_ms"]["capture"]["p50"] < 300


def in_color(width: int, height: int) -> Any:
    """Planes with patches of color, two rows of U or V in each row of the array."""
    planes = Pi.planes(width, height)
    rng = np.random.default_rng(0)
    for part in range(2):
        patches = rng.integers(80, 176, (height // 8, width // 8), np.uint8)
        chroma = patches.repeat(4, axis=0).repeat(4, axis=1)
        top = height + part * height // 4
        planes[top : top + height // 4, :width] = chroma.reshape(height // 4, width)
    return planes


@pytest.mark.parametrize(("is_mono", "kept"), [(False, 3), (True, 0)])
def test_a_sensor_in_color_keeps_its_colors_and_a_mono_sensor_gets_ours(
    pi: type[Pi], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    is_mono: bool, kept: int,
) -> None:  # fmt: skip
    """`is_mono` is a property of newer versions of picamera2."""
    monkeypatch.setattr(Picamera2, "is_mono", is_mono, raising=False)
    pi.frame = staticmethod(lambda number: in_color(W, H))
    words = ["run", "--camera", "0", "-m", "s", "--frames", "3", "-o", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == kept
    with Image.open(tmp_path / "out" / "frame-000003.jpg") as frame:
        _, cb, _ = frame.convert("YCbCr").split()
    expected = in_color(W, H)[H : H + H // 4].reshape(H // 2, W // 2)
    error = np.abs(np.asarray(cb.reduce(2), float) - expected).mean()
    assert (error < 4) is not is_mono
