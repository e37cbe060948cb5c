"""The memory that the pictures of a run may take together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager


class MemoryBudget:
    """Admits pictures whose memory fits; the others wait. Any thread may use it.

    Pictures start in the order in which they ask. A picture that needs more than the whole budget starts when
    no other picture is in work, and none starts beside it.

    Args:
        size: bytes that all pictures in work may take together; None: no limit.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._turn = threading.Lock()  # held by the picture that is next: smaller ones do not overtake it
        self._change = threading.Condition()
        self._taken: list[int] = []
        self._closed = False

    @contextmanager
    def reserved(self, need: int) -> Iterator[None]:
        """Wait until a picture fits, and count its memory until the context ends.

        Args:
            need: bytes that the picture takes.

        Raises:
            CancelledError: the budget was closed.
        """
        with self._turn, self._change:
            self._change.wait_for(lambda: self._closed or self._fits(need))
            if self._closed:
                raise CancelledError
            self._taken.append(need)
        try:
            yield
        finally:
            with self._change:
                self._taken.remove(need)
                self._change.notify_all()

    def is_scarce_for(self, need: int) -> bool:
        """Return whether the whole budget is smaller than a number of bytes."""
        return self._size is not None and self._size < need

    def close(self) -> None:
        """Admit no further picture: those that wait give up."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _fits(self, need: int) -> bool:
        return self._size is None or not self._taken or sum(self._taken) + need <= self._size
