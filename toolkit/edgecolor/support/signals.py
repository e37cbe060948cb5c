"""Signals that must not interrupt a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def postponed_signals() -> Iterator[None]:
    """Run a step as a whole: Ctrl-C, SIGTERM and SIGHUP are handled at its end.

    A handler in Python, such as that of Ctrl-C, may raise an exception between any two instructions. Only the
    main thread handles signals; in another thread this context does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def postpone(number: int, _: FrameType | None) -> None:
        arrived.append(number)

    handlers: dict[int, Any] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and callable(signal.getsignal(number)):
            handlers[number] = signal.signal(number, postpone)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in arrived[:1]:
            handlers[number](number, None)
