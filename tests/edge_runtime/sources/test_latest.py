"""The latest frame of a live source, every frame of a file, played recordings, and orientation."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import MissingError, PictureError, UsageError
from edgecolor_runtime.errors import CameraError
from edgecolor_runtime.sources import playback
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.latest import AllFrames, LatestFrames, Mailbox
from edgecolor_runtime.sources.orientation import Orientation
from edgecolor_runtime.sources.picture_sequence import PictureSequence
from edgecolor_runtime.sources.playback import Playback
from edgecolor_runtime.sources.stepwise import StepwiseSource


class Camera(StepwiseSource):
    """Gives frames of growing brightness when the test allows it. A step waits like a device."""

    def __init__(self, ready: threading.Semaphore, last: int | None = None) -> None:
        super().__init__("camera", live=True, framerate=None)
        self.ready, self.last, self.number, self.released = ready, last, 0, 0

    def _step(self) -> Frame | None:
        if self.number == self.last:
            raise EOFError
        if not self.ready.acquire(timeout=0.02):
            return None
        self.number += 1
        return Frame(Image.new("L", (8, 8), self.number), time.monotonic())

    def _release(self) -> None:
        self.released += 1


def tone(frame: Frame | None) -> int:
    assert frame is not None
    return int(np.asarray(frame.gray)[0, 0])


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_latest_frame_is_taken_and_the_others_are_counted() -> None:
    ready = threading.Semaphore(5)
    camera = Camera(ready)
    mailbox = Mailbox(lambda: camera, name="camera")
    wait_until(lambda: camera.number == 5 and mailbox.dropped == 4)
    never_stopped = threading.Event()
    assert tone(mailbox.take(never_stopped)) == 5
    ready.release()
    assert tone(mailbox.take(never_stopped)) == 6, "not the same frame twice"
    assert mailbox.dropped == 4
    mailbox.close()
    assert camera.released >= 1 and mailbox.take(never_stopped) is None


def test_an_error_of_the_reader_is_raised_where_frames_are_taken() -> None:
    def refuse() -> Camera:
        raise MissingError("no library")

    mailbox = Mailbox(refuse, name="camera")
    with pytest.raises(MissingError, match="no library"):
        mailbox.take(threading.Event())
    mailbox.close()


def test_a_source_that_opens_too_late_is_closed() -> None:
    """Opening hangs. `take` gives up, and the source is closed when it is open at last."""
    may_open, camera = threading.Event(), Camera(threading.Semaphore(0))

    def slow() -> Camera:
        may_open.wait(5)
        return camera

    mailbox = Mailbox(slow, name="camera", stall_seconds=0.1)
    with pytest.raises(CameraError, match=r"camera: no frame for 0\.1 s"):
        mailbox.take(threading.Event())
    threading.Timer(0.1, may_open.set).start()
    mailbox.close()
    wait_until(lambda: camera.released)


def test_stop_ends_a_wait_at_once() -> None:
    latest_frames = LatestFrames(lambda: Camera(threading.Semaphore(0)), name="camera", stall_seconds=60)
    threading.Timer(0.1, latest_frames.stop).start()
    assert list(latest_frames) == []
    assert threading.active_count() == 1 or all("frames of" not in t.name for t in threading.enumerate())


def test_a_stream_that_ends_is_opened_again() -> None:
    opened = []

    def open_camera() -> Camera:
        opened.append(1)
        return Camera(threading.Semaphore(1), last=1)

    reasons: list[str] = []
    latest_frames = LatestFrames(open_camera, name="camera", on_disconnect=reasons.append)
    frames = iter(latest_frames)
    assert [next(frames)[0] is not None, next(frames)[0] is not None] == [True, True]
    frames.close()
    assert len(opened) == 2 and reasons == ["camera: ended"]


def test_every_frame_of_a_recording() -> None:
    camera = Camera(threading.Semaphore(50), last=50)
    assert [tone(frame) for frame, dropped in AllFrames(camera) if dropped == 0] == list(range(1, 51))
    assert camera.released == 1


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(4):
        Image.new("L", (20, 10), 50 * number).save(tmp_path / f"{number}.png")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_folder(pictures: Path) -> None:
    (pictures / "1.png").write_bytes(b"garbage")
    folder = PictureSequence(pictures, framerate=10)
    frames = list(folder)
    assert [tone(frame) for frame in frames] == [0, 100, 150]
    assert [frame.seconds for frame in frames] == [0, 0.2, 0.3]
    assert folder.damaged == 1
    with pytest.raises(PictureError, match="No such file"):
        PictureSequence(pictures / "none")


def test_every_picture_type_that_is_read_is_shown(tmp_path: Path) -> None:
    names = ("a.tga", "b.jfif", "c.jp2", "d.pcx", "e.PBM", "f.mpo", "g.ico")
    for name in names:
        Image.new("L", (20, 20), 90).save(tmp_path / name, format="JPEG" if name == "b.jfif" else None)
    assert len(list(PictureSequence(tmp_path))) == len(names)


def test_a_recording_keeps_its_pace(pictures: Path) -> None:
    begun = time.monotonic()
    twice = Playback(lambda: PictureSequence(pictures), framerate=20, rounds=2)
    frames = list(twice)
    assert [tone(frame) for frame in frames] == [0, 50, 100, 150] * 2
    assert time.monotonic() - begun >= 8 / 20 - 0.001
    gaps = np.diff([frame.seconds for frame in frames])
    assert gaps.min() > 0 and twice.live


def test_a_recording_that_is_read_too_slowly_does_not_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this test runs only while a frame is read or the playback waits."""
    clock = [0.0]

    class Slow:
        name, live = "slow", False
        framerate: float | None = 100.0
        notes: Sequence[str] = ()
        stamped_at: str = "reading"

        def __iter__(self) -> Iterator[Frame]:
            for number in range(25):
                clock[0] += 0.03
                yield Frame(Image.new("L", (4, 4)), number / 100)

        def close(self) -> None:
            pass

    def wait(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(playback, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    slow = Playback(Slow, rounds=1)
    monkeypatch.setattr(slow, "_closed", SimpleNamespace(wait=wait, is_set=lambda: False, set=lambda: None))
    lag = [clock[0] - frame.seconds for frame in slow]
    assert max(lag) < 0.05, "it would be 0.5 s at the end if the clock were never set back"


def test_a_playback_is_closed_while_it_waits(pictures: Path) -> None:
    slow = Playback(lambda: PictureSequence(pictures), framerate=0.001)
    threading.Timer(0.1, slow.close).start()
    begun = time.monotonic()
    assert len(list(slow)) <= 1
    assert time.monotonic() - begun < 500, "a gap takes 1000 s"


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        (Orientation(), (0, 0)),
        (Orientation(hflip=True), (29, 0)),
        (Orientation(vflip=True), (0, 19)),
        (Orientation(rotation=180), (29, 19)),
        (Orientation(rotation=180, hflip=True), (0, 19)),
        (Orientation(rotation=90), (19, 0)),
        (Orientation(rotation=270), (0, 29)),
        (Orientation(rotation=90, hflip=True), (0, 0)),
    ],
    ids=str,
)
def test_orientation(orientation: Orientation, corner: tuple[int, int]) -> None:
    """Check where the upper left corner of a picture of 30 x 20 pixels goes."""
    picture = Image.new("L", (30, 20))
    picture.putpixel((0, 0), 255)
    result = orientation.apply(picture)
    assert result.getpixel(corner) == 255
    assert result.size == ((20, 30) if orientation.rotation in (90, 270) else (30, 20))


def test_another_angle_is_refused() -> None:
    with pytest.raises(UsageError, match="rotation 45: expected 0, 90, 180 or 270"):
        Orientation(rotation=45)
