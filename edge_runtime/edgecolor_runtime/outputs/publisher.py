"""Publish colored frames as a live stream: to an RTSP server, or as HLS into a folder for a web server.

A process encodes and sends. It takes the newest frame only: a slow network skips frames and never holds up
the live loop.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import PictureError, UsageError
from edgecolor_runtime.media import pyav
from edgecolor_runtime.outputs.publish_process import write_frame
from edgecolor_runtime.sources.address import hide_secrets, is_address

STALL_SECONDS = 10.0
"""A server that takes no frame for this time counts as gone."""

_RETRY_SECONDS = 1.0  # between two tries to reach a server
_CLOSE_SECONDS = 5.0  # time limit for the end of the stream: a dead server must not hold the command
_PLAYLIST_SUFFIX = ".m3u8"


def is_published(output: str | Path) -> bool:
    """Return whether an output is a stream: the address of a server, or a playlist (.m3u8)."""
    return is_address(str(output)) or Path(output).suffix.lower() == _PLAYLIST_SUFFIX


class StreamPublisher:
    """Sends the colored frames of a live session to a server, or writes them as HLS.

    Args:
        destination: address of an RTSP server with the name of the stream, such as rtsp://host:8554/door, or
            path of a playlist, such as www/door.m3u8. The parts of HLS lie beside the playlist.
        framerate: frames per second that are expected; sets the distance of key frames.
        reconnect: wait for a server that is gone, and continue when it is back.
        on_message: called with one line of text when the server is gone and when it is back.

    Attributes:
        path: where the stream goes, without user and password.
        notes: what the user should know about the stream, one sentence each.
        skipped: number of frames that were not sent, because the network was too slow or the server was gone.

    Raises:
        MissingError: PyAV is not installed.
        UsageError: the address has another scheme than rtsp.
        PictureError: the folder of the playlist cannot be made.
    """

    def __init__(
        self,
        destination: str | Path,
        *,
        framerate: float = 25.0,
        reconnect: bool = False,
        on_message: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._destination, self._framerate = str(destination), framerate
        self._is_remote = is_address(self._destination)
        self.path = hide_secrets(self._destination)
        self.notes: list[str] = []
        self.skipped = 0
        if self._is_remote and not self._destination.lower().startswith("rtsp://"):
            raise UsageError(
                f"{self.path}: streams are published with RTSP (rtsp://host:8554/name) or as HLS "
                "(folder/name.m3u8)"
            )
        pyav.load()
        if not self._is_remote:
            try:
                Path(destination).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise PictureError(f"{self.path}: {error.strerror or error}") from error
        self._reconnect, self._on_message = reconnect and self._is_remote, on_message
        self._condition = threading.Condition()
        self._newest: Shot | None = None
        self._ended = self._gone = False
        self._failure: PictureError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def write(self, shot: Shot) -> None:
        """Hand over a frame. It replaces a frame that has not been sent yet.

        Raises:
            PictureError: the stream cannot be sent, and `reconnect` is off.
        """
        with self._condition:
            if self._failure is not None:
                raise self._failure
            self.skipped += self._newest is not None
            self._newest = shot
            self._condition.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
            self._thread.start()

    def finish(self, *, whole: bool = True) -> None:
        """Send what waits and end the stream.

        Args:
            whole: has no effect, because the stream has no audio.

        Raises:
            PictureError: the stream could not be sent.
        """
        self.discard()
        if self._failure is not None:
            raise self._failure
        if self.skipped:
            self.notes.append(f"{self.skipped} frames were not sent")

    def discard(self) -> None:
        """End the stream. May be called twice."""
        with self._condition:
            self._ended = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(2 * _CLOSE_SECONDS)

    def _run(self) -> None:
        while (shot := self._next()) is not None:
            reason = self._send(shot)
            if reason is None:
                continue
            self.skipped += 1
            if not self._report(reason):
                return
        self._end_process()

    def _next(self) -> Shot | None:
        """Wait for the next frame and take it; None at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._newest is not None or self._ended)
            shot, self._newest = self._newest, None
            return shot

    def _send(self, shot: Shot) -> str | None:
        """Let the process send a frame, and wait until it has. Returns the reason if it could not."""
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        # A process that waits for its server reads nothing and answers nothing: it is killed.
        stalled = threading.Timer(STALL_SECONDS, process.kill)
        stalled.start()
        try:
            write_frame(process.stdin, shot.frame, shot.seconds)
            sent = bool(process.stdout.read(1))
        except OSError:
            sent = False
        finally:
            stalled.cancel()
        if sent:
            if self._gone:
                self._gone = False
                self._on_message(f"{self.path}: connected again")
            return None
        return self._end_process() or "the server does not answer"

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C ends the stream through its pipe, not in the middle of a packet.
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "edgecolor_runtime.outputs.publish_process"),
                *(self._destination, str(self._framerate)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=os.name == "posix",
        )

    def _end_process(self) -> str:
        """End the process, and return the last line that it wrote to stderr."""
        process, self._process = self._process, None
        if process is None:
            return ""
        assert process.stdin is not None and process.stderr is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        lines = process.stderr.read().decode(errors="replace").strip().splitlines()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        return lines[-1] if lines else ""

    def _report(self, reason: str) -> bool:
        """Tell that the stream cannot be sent; return whether to try again."""
        line = f"{self.path}: cannot be sent: {reason}"
        if not self._reconnect:
            hint = ". Start the server first, or add --reconnect to wait for it." if self._is_remote else ""
            with self._condition:
                self._failure = PictureError(line + hint)
            return False
        if not self._gone:
            self._gone = True
            self._on_message(f"{line}; waiting for it")
        with self._condition:
            self._condition.wait_for(lambda: self._ended, _RETRY_SECONDS)
            return not self._ended
