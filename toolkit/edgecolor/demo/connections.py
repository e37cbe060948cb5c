"""Connections to the page that send no request: they are closed, and cannot use up those of visitors."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from edgecolor_runtime.preview.access import network_of
from edgecolor_runtime.preview.http_server import MAX_PENDING, TIMEOUT_SECONDS

_silent: dict[BoundedProtocol, str] = {}  # connections without a request -> their clients; the oldest first


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # uvicorn chooses it at run time
    """A connection that is closed if it sends no request in time.

    If too many connections send no request, the oldest one of the client that has most of them is closed.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Start the time limit."""
        super().connection_made(transport)
        if len(_silent) >= MAX_PENDING:
            ((busiest, _),) = Counter(_silent.values()).most_common(1)
            next(protocol for protocol, network in _silent.items() if network == busiest)._close()
        _silent[self] = network_of(str(self.client[0]) if self.client else "")
        self._limit = asyncio.get_running_loop().call_later(TIMEOUT_SECONDS, self._close)

    def data_received(self, data: bytes) -> None:
        """End the time limit with the first whole request."""
        super().data_received(data)
        if self.cycle is not None or self.transport.get_protocol() is not self:  # or it became a WebSocket
            self._forget()

    def connection_lost(self, error: Exception | None) -> None:
        """End the time limit."""
        self._forget()
        super().connection_lost(error)

    def _forget(self) -> None:
        _silent.pop(self, None)
        self._limit.cancel()

    def _close(self, *_: Any) -> None:
        self._forget()
        self.transport.close()
