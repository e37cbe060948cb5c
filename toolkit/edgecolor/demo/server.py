"""Streamlit in this process, on a socket of our own, behind our own access rules."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edgecolor.demo.access import AccessMiddleware
from edgecolor.demo.memory import MAX_UPLOAD_BYTES, MemoryLimits, keep_uploads_in_memory
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.preview.access import AccessRules
from edgecolor_runtime.preview.http_server import MAX_PENDING, reachable_host, resolve_address

SHUTDOWN_SECONDS = 2  # time for open pages at the end

_SETTINGS = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",  # a visitor gets a sentence; the details go to stderr
    "client.toolbarMode": "minimal",
    "logger.level": "warning",
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": MAX_UPLOAD_BYTES >> 20,
}
"""Settings of Streamlit; a user's config.toml does not override them."""


def serve(
    first_model: str, *, host: str, port: int, token: str | None, on_ready: Callable[[str], None]
) -> None:
    """Serve the page until a signal ends it.

    Args:
        first_model: name of a shipped model, or path of a model file, that is selected at the start.
        host: address to listen on. Any but 127.0.0.1 requires a token.
        port: port to listen on; 0 chooses a free one.
        token: token of the page; None: a new one if the address requires one.
        on_ready: called with the page's address when the page can be opened.

    Raises:
        UsageError: the port, the host or the token is not valid.
        MissingError: the port is in use, or the address is not one of this machine.
        EdgecolorError: Streamlit does not start.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    guard = AccessRules.for_host(host, token)
    with resolve_address(host, port) as (family, where):
        listening = socket.create_server(where, family=family)
    with listening, tempfile.TemporaryDirectory() as folder:
        port = listening.getsockname()[1]
        query = f"?token={guard.token}" if guard.token else ""
        address = f"http://{reachable_host(host)}:{port}/{query}"
        script = Path(folder) / "page.py"
        script.write_text(page_script(first_model), "utf-8")
        _run(script, listening, guard, lambda: on_ready(address))


def page_script(first_model: str) -> str:
    """Return the script that Streamlit runs for each visitor and each change."""
    return f"from edgecolor.demo.page import show_page\n\nshow_page({first_model!r})\n"


def _run(script: Path, listening: socket.socket, guard: AccessRules, on_ready: Callable[[], None]) -> None:
    import uvicorn
    from starlette.middleware import Middleware
    from streamlit.starlette import App
    from streamlit.web.bootstrap import load_config_options

    from edgecolor.demo.connections import BoundedProtocol

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        on_ready()
        yield

    load_config_options(_SETTINGS)
    keep_uploads_in_memory()
    cookie = f"edgecolor-demo-{listening.getsockname()[1]}"
    middleware = [Middleware(AccessMiddleware, guard, cookie), Middleware(MemoryLimits)]
    app = App(script, middleware=middleware, lifespan=lifespan)
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        backlog=MAX_PENDING,  # connections that are accepted before the oldest of them can be closed
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise EdgecolorError("Streamlit did not start; its own messages are above")
