"""The latest frame of a live source. If processing cannot keep up, frames are dropped; it never lags."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from edgecolor_runtime.errors import CameraError, CameraLoginError
from edgecolor_runtime.sources.frames import Frame, Source
from edgecolor_runtime.sources.stepwise import CLOSE_SECONDS

STALL_SECONDS = 5.0
"""A camera that gives no frame for this long counts as gone."""

_RETRY_SECONDS = 0.5  # between two attempts to open a camera again
_STOP_CHECK_SECONDS = 0.2  # a loop that waits for a frame checks this often whether it was stopped


class Mailbox:
    """A thread that opens a source and reads it into one slot. A frame that is not taken in time is dropped.

    Args:
        open_source: opens the source. It is called in the thread.
        name: name of the source in messages.
        stall_seconds: `take` gives up if there is no frame for this long; None: `STALL_SECONDS`.

    Attributes:
        dropped: number of frames dropped up to now.
    """

    def __init__(
        self, open_source: Callable[[], Source], *, name: str, stall_seconds: float | None = None
    ) -> None:
        self.name, self.dropped = name, 0
        self._stall_seconds = STALL_SECONDS if stall_seconds is None else stall_seconds
        self._change = threading.Condition()
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._ended = self._closed = False
        self._source: Source | None = None
        self._open = open_source
        self._last_activity = time.monotonic()
        self._thread = threading.Thread(target=self._read, name=f"frames of {name}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            source = self._open()
            with self._change:
                self._source, self._last_activity = source, time.monotonic()
                closed = self._closed
            try:
                for frame in () if closed else source:
                    self._put(frame)
            finally:
                source.close()
        except Exception as error:  # raised again in the thread that takes the frames
            self._error = error
        with self._change:
            self._ended = True
            self._change.notify()

    def _put(self, frame: Frame) -> None:
        with self._change:
            if self._slot is not None:
                self.dropped += 1
                if self._slot.restarted:  # the mark must not be dropped with its frame
                    frame = replace(frame, restarted=True)
            self._slot, self._last_activity = frame, time.monotonic()
            self._change.notify()

    @property
    def notes(self) -> Sequence[str]:
        """Those of the source; none before it is open."""
        source = self._source
        return source.notes if source is not None else ()

    @property
    def stamped_at(self) -> str:
        """That of the source; empty before it is open."""
        source = self._source
        return source.stamped_at if source is not None else ""

    def take(self, stopped: threading.Event, on_wait: Callable[[], None] = lambda: None) -> Frame | None:
        """Return the latest frame that was not taken yet; wait for it if necessary.

        Args:
            stopped: ends the wait.
            on_wait: called several times per second while there is no frame.

        Returns:
            The frame; None if the source ended or `stopped` is set.

        Raises:
            CameraError: the source stalls.
            EdgecolorError: any error of opening or reading the source.
        """
        with self._change:
            while not stopped.is_set():
                if self._slot is not None:
                    frame, self._slot = self._slot, None
                    return frame
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                if time.monotonic() - self._last_activity > self._stall_seconds:
                    raise CameraError(
                        f"{self.name}: no frame for {self._stall_seconds:g} s. Check that it is connected; a "
                        "slower camera needs --stall TIME."
                    )
                self._change.wait(_STOP_CHECK_SECONDS)
                on_wait()
        return None

    def close(self) -> None:
        """Close the source, and wait at most one second for the thread.

        A thread that still waits for a device or a server closes the source itself, and then ends.
        """
        with self._change:
            self._closed, source = True, self._source
        if source is not None:
            source.close()
        self._thread.join(CLOSE_SECONDS)


class LatestFrames:
    """The frames of a live source, with the number of those that were dropped.

    Args:
        open_source: opens the source. It is called again to reconnect.
        name: name of the source in messages.
        stall_seconds: the source counts as gone if there is no frame for this long; None: `STALL_SECONDS`.
        on_disconnect: called with the reason when the source is gone. The source is then opened again until
            it is back. None: a source that is gone is an error.
        on_wait: called several times per second while there is no frame, in the thread that takes frames.
    """

    live = True

    def __init__(
        self,
        open_source: Callable[[], Source],
        *,
        name: str,
        stall_seconds: float | None = None,
        on_disconnect: Callable[[str], None] | None = None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self._on_wait = name, on_wait
        self._open, self._stall_seconds, self._on_disconnect = open_source, stall_seconds, on_disconnect
        self._stopped = threading.Event()
        self._mailbox: Mailbox | None = None

    @property
    def latency_from(self) -> str:
        """Where the latency of a frame begins, `Source.stamped_at`."""
        return self._mailbox.stamped_at if self._mailbox is not None else ""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about the frames of the open source, one sentence each."""
        return self._mailbox.notes if self._mailbox is not None else ()

    def __iter__(self) -> Generator[tuple[Frame, int], None, None]:
        """Yield each frame, and the number of frames dropped up to it.

        Raises:
            CameraError: the source is gone, and it is not to be opened again.
            CameraLoginError: the source refuses the user or the password. It is never opened again.
        """
        dropped_before, last_reason = 0, ""
        restarted = False
        while not self._stopped.is_set():
            mailbox = Mailbox(self._open, name=self.name, stall_seconds=self._stall_seconds)
            self._mailbox = mailbox
            try:
                while (frame := mailbox.take(self._stopped, self._on_wait)) is not None:
                    last_reason = ""
                    yield (
                        replace(frame, restarted=True) if restarted else frame,
                        dropped_before + mailbox.dropped,
                    )
                    restarted = False
                if self._on_disconnect is None or self._stopped.is_set():
                    return
                reason = f"{self.name}: ended"
            except CameraLoginError:
                raise
            except CameraError as error:
                if self._on_disconnect is None:
                    raise
                reason = str(error)
            finally:
                mailbox.close()
                dropped_before += mailbox.dropped
            restarted = True
            if reason != last_reason:  # report it once, not at every attempt
                self._on_disconnect(reason)
                last_reason = reason
            self._stopped.wait(_RETRY_SECONDS)
            self._on_wait()

    def stop(self) -> None:
        """End the frames. May be called from a signal handler or another thread."""
        self._stopped.set()


class AllFrames:
    """Every frame of a source that is not live, such as a video file.

    Attributes:
        skipped: number of frames at the start that are read and left out.
    """

    live = False

    def __init__(self, source: Source) -> None:
        self.name, self._source, self._stopped = source.name, source, False
        self.latency_from = source.stamped_at
        self.skipped = 0

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about the frames, one sentence each."""
        return self._source.notes

    def __iter__(self) -> Generator[tuple[Frame, int], None, None]:
        """Yield each frame, and 0: no frame is dropped."""
        try:
            for number, frame in enumerate(self._source):
                if self._stopped:
                    return
                if number >= self.skipped:
                    yield frame, 0
        finally:
            self._source.close()

    def stop(self) -> None:
        """End the frames. May be called from a signal handler or another thread."""
        self._stopped = True


Feed = LatestFrames | AllFrames
"""What the live loop reads."""
