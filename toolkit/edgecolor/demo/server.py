"""Streamlit, started in this process, on a socket of our own and behind our own door."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.preview.access import Guard
from edgecolor_runtime.preview.http_server import binding, reachable

PAGE = Path(__file__).parent / "page.py"
UPLOAD_MB = 300  # of one file: an uncompressed scan of as many pixels as a picture may have

_SETTINGS = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",  # a visitor gets a sentence; stderr gets the rest
    "client.toolbarMode": "minimal",
    "logger.level": "warning",
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": UPLOAD_MB,
}
"""Of Streamlit; no config.toml of the user's overrules them."""

_GRACE = 2  # seconds, after which open pages are left at the end


def serve(host: str, port: int, token: str | None, on_ready: Callable[[str], None]) -> None:
    """Serve the page until a signal ends it.

    Args:
        host: Where to listen. Any address but 127.0.0.1 takes a token.
        port: 0 takes a free one.
        token: None makes one where one is needed.
        on_ready: Called with the page's address once it can be opened.

    Raises:
        UsageError: The port, the host or the token cannot be one.
        MissingError: The port is in use, or the address is none of this machine.
        EdgecolorError: Streamlit does not start.
        KeyboardInterrupt: Ctrl-C.
    """
    guard = Guard.of(host, token)
    with binding(host, port) as (family, where):
        listening = socket.create_server(where, family=family)
    with listening:
        port = listening.getsockname()[1]
        query = f"?token={guard.token}" if guard.token else ""
        address = f"http://{reachable(host)}:{port}/{query}"
        _run(listening, guard, f"edgecolor-demo-{port}", lambda: on_ready(address))


def _run(listening: socket.socket, guard: Guard, cookie: str, on_ready: Callable[[], None]) -> None:
    import uvicorn
    from starlette.middleware import Middleware
    from streamlit.starlette import App
    from streamlit.web.bootstrap import load_config_options

    from edgecolor.demo.access import Door

    @asynccontextmanager
    async def life(_: Any) -> AsyncIterator[None]:
        on_ready()
        yield

    load_config_options(_SETTINGS)
    app = App(PAGE, middleware=[Middleware(Door, guard, cookie)], lifespan=life)
    config = uvicorn.Config(app, log_config=None, server_header=False, timeout_graceful_shutdown=_GRACE)
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise EdgecolorError("Streamlit did not start; its own words are above")
