"""The newest picture, encoded once for all who watch it, and not at all where nobody does."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from edgecolor_runtime.images.jpeg import encode_gray, encode_jpeg
from edgecolor_runtime.live.shot import Shot
from edgecolor_runtime.preview.http_server import RequestError

STREAMS = 64  # at once

VIEWS: dict[str, Callable[[Shot], bytes]] = {
    "color": lambda shot: encode_jpeg(shot.frame),
    "gray": lambda shot: encode_gray(shot.frame.y),
}
"""What can be watched: the colors, or what the camera saw."""


class Picture:
    """A shot and its JPEGs, each made by who asks first."""

    def __init__(self, shot: Shot) -> None:
        self.shot = shot
        self._lock = threading.Lock()
        self._jpegs: dict[str, bytes] = {}

    def jpeg(self, view: str) -> bytes:
        with self._lock:
            if view not in self._jpegs:
                self._jpegs[view] = VIEWS[view](self.shot)
            return self._jpegs[view]


class Broadcast:
    """The newest picture, and those who wait for it."""

    def __init__(self) -> None:
        self.newest: Picture | None = None
        self.ended = False
        self._watchers: Counter[str] = Counter()
        self._news = threading.Condition()

    @property
    def watching(self) -> dict[str, int]:
        """How many watch each view that somebody watches."""
        with self._news:
            return {view: watchers for view, watchers in self._watchers.items() if watchers}

    def show(self, shot: Shot) -> None:
        picture = Picture(shot)
        if watched := self.watching:
            begin = time.perf_counter()
            for view in watched:
                picture.jpeg(view)
            shot.times["encode"] = time.perf_counter() - begin
        with self._news:
            self.newest = picture
            self._news.notify_all()

    def end(self) -> None:
        with self._news:
            self.ended = True
            self._news.notify_all()

    @contextmanager
    def watched(self, view: str) -> Iterator[None]:
        """While somebody watches a view, its pictures are encoded as they come.

        Raises:
            RequestError: Too many watch already.
        """
        with self._news:
            if self._watchers.total() >= STREAMS:
                raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, f"{STREAMS} streams are being watched")
            self._watchers[view] += 1
        try:
            yield
        finally:
            with self._news:
                self._watchers[view] -= 1

    def after(self, last: Picture | None) -> Picture | None:
        """The newest picture, as soon as it is another than `last`; `last` again after a second."""
        with self._news:
            self._news.wait_for(lambda: self.ended or self.newest is not last, timeout=1)
            return self.newest
