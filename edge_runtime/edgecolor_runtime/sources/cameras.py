"""Which cameras there are, and which one a word means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgecolor_runtime.errors import CameraError, UsageError
from edgecolor_runtime.sources import latest, picamera, v4l2
from edgecolor_runtime.sources.folder import Folder
from edgecolor_runtime.sources.frames import Source
from edgecolor_runtime.sources.orientation import UPRIGHT, Turn
from edgecolor_runtime.sources.playback import Playback
from edgecolor_runtime.sources.video import Stream, V4l2Camera, VideoFile

SIZE = (640, 480)  # of a Pi camera's frames, and asked of a V4L2 one, where nothing else is asked for
NONE_FOUND = (
    "no camera found. A Pi camera: is its cable in, and does `rpicam-hello --list-cameras` show it? "
    "A USB camera: is there a /dev/video0?"
)


@dataclass(frozen=True)
class Listed:
    """A camera that this machine has.

    Attributes:
        name: Its model.
        path: "picamera2:N" of a Pi camera, else the device file.
        formats: Pixel formats with their sizes, where they are cheap to ask for.
    """

    name: str
    path: str
    formats: tuple[str, ...] = ()


def list_cameras() -> list[Listed]:
    """Pi cameras, then those of V4L2. The place in the list is a camera's index."""
    pi = picamera.cameras() if picamera.available() else []
    return [
        *(Listed(model, f"{_PI}{number}") for number, model in pi),
        *(Listed(device.name, device.path, device.formats) for device in v4l2.devices()),
    ]


_PI = "picamera2:"


@dataclass(frozen=True)
class Wish:
    """What is asked of a camera.

    Attributes:
        width: Pixels; None: 640, or what the source has.
        height: Pixels; None: 480, or what the source has.
        framerate: Frames a second; None: the source's own.
        turn: How the frames are to be turned.
    """

    width: int | None = None
    height: int | None = None
    framerate: float | None = None
    turn: Turn = UPRIGHT

    @property
    def size(self) -> tuple[int, int]:
        """Width and height to ask for."""
        return self.width or SIZE[0], self.height or SIZE[1]


@dataclass(frozen=True)
class Camera:
    """A camera that was chosen.

    Attributes:
        name: In messages.
        open: Opens it.
        turn: What is left to be turned by the reader; the camera does the rest.
    """

    name: str
    open: Callable[[], Source]
    turn: Turn


def find_camera(word: str | None, wish: Wish) -> Camera:
    """The camera that a word means: index, part of a name, device file, address, folder or video file.

    Args:
        word: The word; None: the first camera that is found.
        wish: What is asked of it.

    Raises:
        CameraError: There is no such camera.
        UsageError: The word fits several cameras, or something is asked that such a source cannot do.
    """
    if word is not None and "://" in word:
        _refuse_size(word, wish)
        if wish.framerate:
            raise UsageError(f"{word}: a stream has its own --framerate")
        return Camera(word, lambda: Stream(word, stall=latest.STALL), wish.turn)
    if word is not None and not word.isdigit() and Path(word).exists() and not word.startswith("/dev/"):
        _refuse_size(word, wish)
        return Camera(word, _recording(Path(word), wish.framerate), wish.turn)
    if word is not None and word.startswith("/dev/"):
        return _v4l2(word, wish)
    chosen = _choose(word, list_cameras())
    if not chosen.path.startswith(_PI):
        return _v4l2(chosen.path, wish)
    number = int(chosen.path.removeprefix(_PI))
    # The sensor mirrors; a quarter turn is left to the reader, and what is mirrored after it.
    sensor, rest = (wish.turn, UPRIGHT) if wish.turn.rotation in (0, 180) else (UPRIGHT, wish.turn)
    return Camera(
        f"Pi camera {number} ({chosen.name})",
        lambda: picamera.PiCamera(number, size=wish.size, framerate=wish.framerate, turn=sensor),
        rest,
    )


def _v4l2(path: str, wish: Wish) -> Camera:
    return Camera(
        path,
        lambda: V4l2Camera(path, size=wish.size, framerate=wish.framerate, stall=latest.STALL),
        wish.turn,
    )


def _recording(path: Path, framerate: float | None) -> Callable[[], Source]:
    if path.is_dir():
        return lambda: Playback(lambda: Folder(path), framerate=framerate)
    return lambda: Playback(lambda: VideoFile(path), framerate=framerate)


def _refuse_size(word: str, wish: Wish) -> None:
    if wish.width or wish.height:
        raise UsageError(f"{word}: --width and --height are for cameras; this has its own size")


def _choose(word: str | None, found: list[Listed]) -> Listed:
    if not found:
        raise CameraError(NONE_FOUND)
    if word is None:
        return found[0]
    if word.isdigit():
        if int(word) < len(found):
            return found[int(word)]
        raise CameraError(f"no camera {word}: there are {len(found)}; `edgecolor run --list-cameras`")
    fitting = [camera for camera in found if word.lower() in camera.name.lower()]
    if not fitting:
        raise CameraError(
            f"no camera is called {word}; `edgecolor run --list-cameras` names those that there are"
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{word} fits {len(fitting)} cameras; use an index of `edgecolor run --list-cameras`"
        )
    return fitting[0]
