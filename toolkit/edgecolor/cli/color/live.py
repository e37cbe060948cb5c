"""`edgecolor run` for cameras and videos: build the options, run the session, print the result."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from edgecolor.cli.color.film_inputs import default_output
from edgecolor.cli.color.live_options import LiveArguments
from edgecolor.cli.common.messages import (
    print_address,
    print_line,
    print_lines,
    progress_bar,
    progress_printer,
)
from edgecolor.cli.common.options import printable_address, read_token

if TYPE_CHECKING:
    from edgecolor_runtime import LiveOptions, LiveResult, LiveSession, Shot

_STATS_SECONDS = 1.0  # shortest time between two lines of --stats


@dataclass(frozen=True)
class RunArguments:
    """The arguments of `edgecolor run` that photographs, videos and cameras share."""

    output: Path | None
    stream: str | None
    model: str | None
    saturation: float | None
    recolor: bool
    threads: int | None
    delegate: str | None
    quality: int
    force: bool
    quiet: bool
    as_json: bool


def print_cameras(as_json: bool) -> None:
    """Print the cameras of this machine with their indexes on stdout."""
    from edgecolor_runtime import list_cameras
    from edgecolor_runtime.sources.cameras import describe_no_camera

    cameras = list_cameras()
    if as_json:
        print(json.dumps([{"name": c.name, "path": c.path, "formats": c.formats} for c in cameras], indent=1))
    else:
        for index, camera in enumerate(cameras):
            formats = [f"     {pixel_format}" for pixel_format in camera.formats]
            print_lines(f"{index}  {camera.name}  {camera.path}", *formats)
        if not cameras:
            print_line(describe_no_camera())


def run_camera(name: str | None, shared: RunArguments, arguments: LiveArguments) -> None:
    """Color a camera until it is stopped; show it in a browser, write it to the output, or both."""
    from edgecolor_runtime import LiveSession

    session = LiveSession(name, _build_options(shared, arguments, output=shared.stream or shared.output))
    result, received = _run(session, shared, arguments, has_bar=False)
    _print_result(result, shared, arguments, label=str(result.output))
    if received and received != signal.SIGTERM:  # SIGTERM is how a service is stopped
        raise typer.Exit(128 + received)


def run_video(path: Path, shared: RunArguments, arguments: LiveArguments) -> None:
    """Color every frame of a video file into another video, or into a folder of pictures."""
    from edgecolor_runtime import LiveSession, PictureError, UsageError

    output = shared.output or default_output(path)
    if output.resolve() == path.resolve():
        raise UsageError(f"{output} would replace the video that is read. Choose another -o.")
    session = LiveSession(path, _build_options(shared, arguments, output=output, every_frame=True))
    result, received = _run(session, shared, arguments, has_bar=True)
    if received:
        if not shared.quiet:
            total = f" of {session.frame_count}" if session.frame_count is not None else ""
            print_line(
                f"{result.resumable_frames}{total} frames are done; the same command resumes this film"
            )
        raise typer.Exit(128 + received)
    _print_result(result, shared, arguments, label=str(path))
    if missing := result.missing_frames:
        raise PictureError(
            f"{path}: the file is cut off: {missing} of {missing + result.statistics.frames} frames are "
            f"missing. {result.output} has the others. Copy the video again from its source."
        )


def _build_options(
    shared: RunArguments, arguments: LiveArguments, *, output: Path | str | None, every_frame: bool = False
) -> LiveOptions:
    from edgecolor_runtime import LiveOptions, Orientation

    return LiveOptions(
        every_frame=every_frame,
        width=arguments.width,
        height=arguments.height,
        framerate=arguments.framerate,
        gray_range=arguments.gray_range,
        orientation=Orientation(arguments.rotation, arguments.hflip, arguments.vflip),
        reconnect=arguments.reconnect,
        model=shared.model,
        threads=shared.threads,
        delegate=shared.delegate,
        saturation=shared.saturation,
        recolor=shared.recolor,
        stabilize=arguments.stabilize,
        every=arguments.every,
        output=output,
        quality=shared.quality,
        force=shared.force,
        segment_seconds=arguments.segment,
        quota_bytes=round(arguments.quota * 1e6) if arguments.quota is not None else None,
        preview=arguments.preview,
        host=arguments.host,
        port=arguments.port,
        token=read_token(arguments.token, arguments.token_file),
        max_frames=arguments.frames,
        timeout_seconds=arguments.timeout,
        stall_seconds=arguments.stall,
    )


def _run(
    session: LiveSession, shared: RunArguments, arguments: LiveArguments, *, has_bar: bool
) -> tuple[LiveResult, int]:
    """Run the session until it ends or a signal stops it. Returns its result, and the signal or 0."""
    from edgecolor_runtime.system import systemd

    with (
        session,
        _stopped_by_signals(session.stop) as received,
        progress_bar("coloring", _frames_to_do(session), quiet=shared.quiet or not has_bar) as advance,
    ):
        on_frame = _frame_reporter(session, advance, arguments, quiet=shared.quiet)
        result = session.run(
            on_frame=on_frame,
            on_message=progress_printer(shared.quiet),
            on_wait=_wait_reporter(reconnect=arguments.reconnect),
        )
    systemd.notify_stopping()
    return result, received[0] if received else 0


def _frames_to_do(session: LiveSession) -> int | None:
    return None if session.frame_count is None else max(0, session.frame_count - session.done_before)


def _frame_reporter(
    session: LiveSession, advance: Callable[[], None], arguments: LiveArguments, *, quiet: bool
) -> Callable[[Shot], None]:
    """Return the function that reports each frame to the terminal and to systemd."""
    from edgecolor_runtime.system import systemd

    next_stats = time.monotonic() + _STATS_SECONDS

    def report(shot: Shot) -> None:
        nonlocal next_stats
        if shot.number == 0:
            if session.address is not None:  # printed now, because now there is something to see
                address = printable_address(session.address, arguments.token, arguments.token_file)
                print_address("watch", address, quiet=quiet)
            systemd.notify_ready()
        systemd.notify_alive()
        advance()
        if arguments.stats and time.monotonic() >= next_stats:
            next_stats = time.monotonic() + _STATS_SECONDS
            print(json.dumps(session.statistics.to_json()), flush=True)

    return report


def _wait_reporter(*, reconnect: bool) -> Callable[[], None]:
    """Return the function that reports to systemd that the session waits for its camera.

    A service that waits for a camera to come back has started, and is not killed by the watchdog.
    """
    from edgecolor_runtime.system import systemd

    is_ready = not reconnect

    def report() -> None:
        nonlocal is_ready
        if not is_ready:
            systemd.notify_ready()
            is_ready = True
        systemd.notify_alive()

    return report


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Stop the session after the current frame at Ctrl-C, SIGTERM or SIGHUP, at once at a second signal.

    SIGHUP stays ignored if it is ignored, as by nohup.

    Yields:
        The signals received up to now.
    """
    received: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_result(result: LiveResult, shared: RunArguments, arguments: LiveArguments, *, label: str) -> None:
    """Print the path or the JSON on stdout, then notes (after the label) and a summary on stderr."""
    statistics = result.statistics
    output = str(result.output) if result.output is not None else None
    if arguments.stats:
        print(json.dumps({"output": output, "kept": result.kept_frames, **statistics.to_json()}))
    elif shared.as_json:
        report = {"output": output, "notes": result.notes, "kept": result.kept_frames}
        print(json.dumps({**report, **statistics.to_json()}, indent=1))
    elif output is not None:
        print_lines(output)
    print_progress = progress_printer(shared.quiet)
    for note in result.notes:
        print_progress(f"{label}: {note}")
    fps = f", {statistics.fps:.0f} per second" if statistics.fps else ""
    colored = statistics.frames - result.kept_frames
    kept = f"{result.kept_frames} in color and kept as they are, " if result.kept_frames else ""
    print_progress(f"{colored} frames colored, {kept}{statistics.dropped} dropped{fps}")
