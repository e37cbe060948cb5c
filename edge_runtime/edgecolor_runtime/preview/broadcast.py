"""The latest picture for all viewers: encoded once per view, and only in the views that somebody watches."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.preview.http_server import RequestError

MAX_STREAMS = 64
"""Number of streams that are served at the same time."""

_WAIT_SECONDS = 1.0  # a stream without a new picture checks this often whether its client is still there

Encoders = Mapping[str, Callable[[Shot], bytes]]
"""Name of a view -> the function that encodes a frame for it as JPEG."""


class EncodedShot:
    """A colored frame and its JPEG files. Each is encoded when it is first requested."""

    def __init__(self, shot: Shot, encoders: Encoders) -> None:
        self.shot = shot
        self._encoders = encoders
        self._lock = threading.Lock()
        self._jpegs: dict[str, bytes] = {}

    def jpeg(self, view: str) -> bytes:
        """Return the JPEG file of a view."""
        with self._lock:
            if view not in self._jpegs:
                self._jpegs[view] = self._encoders[view](self.shot)
            return self._jpegs[view]


class Broadcast:
    """The latest picture, and the viewers that wait for the next one.

    Args:
        encoders: the views and how they are encoded.

    Attributes:
        latest: the latest picture; None before the first one.
        ended: whether the broadcast is over.
    """

    def __init__(self, encoders: Encoders) -> None:
        self.latest: EncodedShot | None = None
        self.ended = False
        self._encoders = encoders
        self._viewers: Counter[str] = Counter()
        self._change = threading.Condition()

    @property
    def viewers(self) -> dict[str, int]:
        """Number of viewers of each view that has any."""
        with self._change:
            return {view: viewers for view, viewers in self._viewers.items() if viewers}

    def show(self, shot: Shot) -> None:
        """Make a frame the latest picture. If it is watched, encode it and record the time."""
        picture = EncodedShot(shot, self._encoders)
        if views := self.viewers:
            begin = time.perf_counter()
            for view in views:
                picture.jpeg(view)
            shot.times["encode"] = time.perf_counter() - begin
        with self._change:
            self.latest = picture
            self._change.notify_all()

    def end(self) -> None:
        """End the broadcast for all viewers."""
        with self._change:
            self.ended = True
            self._change.notify_all()

    @contextmanager
    def watched(self, view: str) -> Iterator[None]:
        """Count a viewer of a view. While a view has viewers, `show` encodes its pictures.

        Raises:
            RequestError: too many streams are watched already.
        """
        with self._change:
            if self._viewers.total() >= MAX_STREAMS:
                raise RequestError(
                    HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_STREAMS} streams are being watched; close one"
                )
            self._viewers[view] += 1
        try:
            yield
        finally:
            with self._change:
                self._viewers[view] -= 1

    def wait_for_next(self, last: EncodedShot | None) -> EncodedShot | None:
        """Return the latest picture as soon as it is not `last`; after one second, return `last`."""
        with self._change:
            self._change.wait_for(lambda: self.ended or self.latest is not last, timeout=_WAIT_SECONDS)
            return self.latest
