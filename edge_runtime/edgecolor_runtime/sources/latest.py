"""The newest frame of a live source: whoever is too slow for it drops frames, and never falls behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

from edgecolor_runtime.errors import CameraError
from edgecolor_runtime.sources.frames import Frame, Source

STALL = 5.0  # s without a frame after which a camera counts as gone
_RETRY = 1.0  # s between two tries to open a camera again
_LOOK = 0.2  # s until a waiting loop looks whether it is to stop


class Mailbox:
    """A thread that opens a source and reads it into one slot. A frame that is not taken in time is dropped.

    Args:
        open_source: Opens it, in the thread.
        name: Of the source, in messages.
        stall: Seconds without a frame after which `take` gives up.
    """

    def __init__(self, open_source: Callable[[], Source], *, name: str, stall: float = STALL) -> None:
        self.name, self.stall, self.dropped = name, stall, 0
        self._change = threading.Condition()
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._ended = self._closed = False
        self._source: Source | None = None
        self._open = open_source
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._read, name=f"frames of {name}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            source = self._open()
            with self._change:
                self._source, self._heard = source, time.monotonic()
                closed = self._closed
            try:
                for frame in () if closed else source:
                    self._put(frame)
            finally:
                source.close()
        except Exception as error:  # it is raised where frames are taken
            self._error = error
        with self._change:
            self._ended = True
            self._change.notify()

    def _put(self, frame: Frame) -> None:
        with self._change:
            self.dropped += self._slot is not None
            self._slot, self._heard = frame, time.monotonic()
            self._change.notify()

    def take(self, stopped: threading.Event) -> Frame | None:
        """The newest frame, once there is one that was not taken yet; None at the end, or when stopped.

        Raises:
            CameraError: The source stalls; or what opening or reading it raised.
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
                if time.monotonic() - self._heard > self.stall:
                    raise CameraError(f"{self.name}: no frame for {self.stall:g} s; is it still there?")
                self._change.wait(_LOOK)
        return None

    def close(self) -> None:
        """Close the source and wait for the thread, but not for longer than a stall."""
        with self._change:
            self._closed, source = True, self._source
        if source is not None:
            source.close()
        self._thread.join(self.stall + 1)


class Newest:
    """Frames of a live source, with the count of those dropped. If told to, it waits for a lost camera.

    Args:
        open_source: Opens the source; called again to reconnect.
        name: Of the source, in messages.
        stall: Seconds without a frame after which it counts as gone.
        reconnect: Called with the reason when the camera is gone and is now waited for; None: that is an
            error.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        *,
        name: str,
        stall: float = STALL,
        reconnect: Callable[[str], None] | None = None,
    ) -> None:
        self.name, self.live = name, True
        self._open, self._stall, self._reconnect = open_source, stall, reconnect
        self._stopped = threading.Event()

    def __iter__(self) -> Generator[tuple[Frame, int], None, None]:
        """Each frame, and how many were dropped up to it."""
        before, told = 0, ""
        while not self._stopped.is_set():
            mailbox = Mailbox(self._open, name=self.name, stall=self._stall)
            try:
                while (frame := mailbox.take(self._stopped)) is not None:
                    told = ""
                    yield frame, before + mailbox.dropped
                if self._reconnect is None or self._stopped.is_set():
                    return
                reason = f"{self.name}: ended"
            except CameraError as error:
                if self._reconnect is None:
                    raise
                reason = str(error)
            finally:
                mailbox.close()
                before += mailbox.dropped
            if reason != told:  # once, not every second
                self._reconnect(reason)
                told = reason
            self._stopped.wait(_RETRY)

    def stop(self) -> None:
        """End the frames; safe in a signal handler."""
        self._stopped.set()


class Every:
    """Every frame of a source that is not live."""

    live = False

    def __init__(self, source: Source) -> None:
        self.name, self._source, self._stopped = source.name, source, False

    def __iter__(self) -> Generator[tuple[Frame, int], None, None]:
        """Each frame, and 0: nothing is dropped."""
        try:
            for frame in self._source:
                if self._stopped:
                    return
                yield frame, 0
        finally:
            self._source.close()

    def stop(self) -> None:
        """End the frames; safe in a signal handler."""
        self._stopped = True


Feed = Newest | Every
"""What the loop reads."""
