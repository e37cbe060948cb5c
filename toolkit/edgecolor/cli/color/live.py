"""`edgecolor run` on a camera or a video."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from edgecolor.cli.color.live_options import Words
from edgecolor.cli.common.messages import print_address, progress_bar

if TYPE_CHECKING:
    from edgecolor_runtime.inference.colorizer import Colorizer
    from edgecolor_runtime.live.loop import Live
    from edgecolor_runtime.live.shot import Shot
    from edgecolor_runtime.outputs.image_sequence import SequenceWriter
    from edgecolor_runtime.outputs.video import VideoWriter
    from edgecolor_runtime.preview.server import Preview
    from edgecolor_runtime.sources.latest import Feed
    from edgecolor_runtime.sources.orientation import Turn
    from edgecolor_runtime.sources.video import VideoFile

_STATS_EVERY = 1.0  # s


@dataclass(frozen=True)
class Common:
    """The words of `edgecolor run` that photographs, videos and cameras share."""

    output: Path | None
    model: str
    saturation: float | None
    threads: int | None
    delegate: str | None
    quality: int
    force: bool
    quiet: bool
    as_json: bool


def print_cameras(as_json: bool) -> None:
    """The cameras of this machine on stdout, by index; nothing there raises CameraError."""
    from edgecolor_runtime.sources.cameras import NONE_FOUND, list_cameras

    found = list_cameras()
    if as_json:
        print(json.dumps([{"name": c.name, "path": c.path, "formats": c.formats} for c in found], indent=1))
    else:
        for index, camera in enumerate(found):
            print(f"{index}  {camera.name}  {camera.path}", *camera.formats, sep="\n     ")
        if not found:
            print(NONE_FOUND, file=sys.stderr)


def run_camera(name: str | None, common: Common, words: Words) -> None:
    """Color a camera until it is stopped: in a browser, or into the output."""
    from edgecolor_runtime.sources import cameras, latest
    from edgecolor_runtime.sources.orientation import Turn

    wish = cameras.Wish(
        words.width, words.height, words.framerate, Turn(words.rotation, words.hflip, words.vflip)
    )
    camera = cameras.find_camera(name, wish)
    told = (lambda reason: _tell(f"{reason}; waiting for it", common.quiet)) if words.reconnect else None
    feed = latest.Newest(camera.open, name=camera.name, stall=latest.STALL, reconnect=told)
    number = _color(feed, common.output, common, words, turn=camera.turn)
    if number == signal.SIGINT:
        raise typer.Exit(130)


def run_video(path: Path, common: Common, words: Words) -> None:
    """Color every frame of a video file into another, or into a folder of pictures."""
    from edgecolor.batch.plan import MARK
    from edgecolor_runtime.errors import UsageError
    from edgecolor_runtime.outputs.video import FORMATS
    from edgecolor_runtime.sources.latest import Every
    from edgecolor_runtime.sources.orientation import Turn
    from edgecolor_runtime.sources.video import VideoFile

    suffix = path.suffix if path.suffix.lower() in FORMATS else ".mp4"
    output = common.output or path.with_name(f"{path.stem}{MARK}{suffix}")
    if output.resolve() == path.resolve():
        raise UsageError(f"{output} would replace the video that is read; choose another -o")
    video = VideoFile(path)
    turn = Turn(words.rotation, words.hflip, words.vflip)
    try:
        number = _color(Every(video), output, common, words, turn=turn, of=video)
    finally:
        video.close()
    if number:
        raise typer.Exit(128 + number)


def _color(
    feed: Feed, output: Path | None, common: Common, words: Words, *, turn: Turn, of: VideoFile | None = None
) -> int:
    """Run the loop. Returns the number of the signal that ended it, or 0."""
    from edgecolor_runtime.errors import CameraError
    from edgecolor_runtime.inference.colorizer import Colorizer
    from edgecolor_runtime.live.loop import Live
    from edgecolor_runtime.live.stabilizer import Calm
    from edgecolor_runtime.models.shipped import open_model
    from edgecolor_runtime.system import systemd
    from edgecolor_runtime.system.machine import count_cores

    with ExitStack() as stack:
        writer = _writer(output, of, common)
        if writer is not None:
            stack.callback(writer.discard)
        colorizer = Colorizer(
            open_model(common.model),
            threads=common.threads or count_cores(),
            delegate=common.delegate,
            saturation=common.saturation,
        )
        live = Live(feed, colorizer, calm=Calm() if words.calm else None, turn=turn, limit=words.frames)
        wanted = words.preview if words.preview is not None else of is None and output is None
        preview = _preview(live, colorizer, words, stack) if wanted else None
        received = stack.enter_context(_stopped_by_signals(live.stop))
        stack.enter_context(_stopped_after(words.timeout, live.stop))
        advance = stack.enter_context(
            progress_bar("coloring", of.count if of else None, quiet=common.quiet or of is None)
        )
        say = _Stats(live) if words.stats else None
        try:
            for shot in live:
                if preview is not None and shot.number == 0:  # not before there is something to see
                    print_address("watch", preview.address, quiet=common.quiet)
                _show(shot, writer, preview)
                if shot.number == 0:
                    systemd.ready()
                systemd.alive()
                advance()
                if say is not None:
                    say()
        except CameraError:
            if writer is not None:
                writer.finish()  # what came before is worth keeping
            raise
        systemd.stopping()
        if of and received:
            return received[0]  # half a video is none
        if writer is not None:
            writer.finish(whole=words.frames is None)
        _report(live, writer, of, common, words)
        return received[0] if received else 0


def _show(shot: Shot, writer: VideoWriter | SequenceWriter | None, preview: Preview | None) -> None:
    if writer is not None:
        begun = time.monotonic()
        writer.write(shot)
        shot.times["encode"] = time.monotonic() - begun
    if preview is not None:
        preview.show(shot)


def _writer(output: Path | None, of: VideoFile | None, common: Common) -> VideoWriter | SequenceWriter | None:
    from edgecolor_runtime.outputs.image_sequence import SequenceWriter
    from edgecolor_runtime.outputs.video import VideoWriter

    if output is None:
        return None
    if output.is_dir() or not output.suffix:
        return SequenceWriter(output, quality=common.quality, force=common.force)
    return VideoWriter(output, of=of, force=common.force)


def _preview(live: Live, colorizer: Colorizer, words: Words, stack: ExitStack) -> Preview:
    from edgecolor_runtime.preview.server import Controls, Preview

    controls = Controls(colorizer, live.statistics.snapshot)
    preview = Preview(host=words.host, port=words.port, token=words.token, controls=controls)
    stack.callback(preview.close)
    return preview


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end the loop after the frame at hand; a second one ends it at once."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        stop()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _stopped_after(seconds: float | None, stop: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds, stop) if seconds else None
    if timer is not None:
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
            timer.join()


class _Stats:
    """Prints a line of JSON, at most once a second."""

    def __init__(self, live: Live) -> None:
        self._live, self._next = live, time.monotonic() + _STATS_EVERY

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _STATS_EVERY
            print(json.dumps(self._live.statistics.snapshot()), flush=True)


def _report(
    live: Live,
    writer: VideoWriter | SequenceWriter | None,
    of: VideoFile | None,
    common: Common,
    words: Words,
) -> None:
    statistics = live.statistics.snapshot()
    notes = list(writer.notes) if writer is not None else []
    if of is not None and of.damaged:
        notes.append(f"{of.damaged} damaged pieces were left out")
    output = str(writer.path) if writer is not None and statistics["frames"] else None
    if words.stats:
        print(json.dumps({"output": output, **statistics}))
    elif common.as_json:
        print(json.dumps({"output": output, "notes": notes, **statistics}, indent=1))
    elif output is not None:
        print(output)
    for note in notes:
        _tell(f"{of.path if of else output}: {note}", common.quiet)
    if not common.quiet:
        fps = f", {statistics['fps']:.0f} a second" if statistics["fps"] else ""
        _tell(f"{statistics['frames']} frames colored, {statistics['dropped']} dropped{fps}", common.quiet)


def _tell(text: str, quiet: bool) -> None:
    if not quiet:
        print(text, file=sys.stderr, flush=True)
