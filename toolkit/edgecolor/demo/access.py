"""Who may use the page: on this machine everybody, elsewhere who has the token; never another web page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from edgecolor_runtime.preview.access import AccessRules, FailedTokens, is_own_page
from edgecolor_runtime.preview.http_server import MAX_PENDING, SECURITY_HEADERS

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]

# Streamlit's page has inline styles, an inline script and our divider. All other parts come from this server.
_POLICY = (
    "default-src 'none'; script-src 'self' blob: 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; connect-src 'self' data:; "
    "manifest-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = [
    (name.lower().encode(), value.encode())
    for name, value in {**SECURITY_HEADERS, "Content-Security-Policy": _POLICY}.items()
    if name != "Cache-Control"  # Streamlit sets its own: browsers may cache its large scripts
]


class AccessMiddleware:
    """ASGI middleware that applies the access rules of the live preview."""

    def __init__(self, app: App, guard: AccessRules, cookie: str) -> None:
        self._app, self._guard, self._cookie = app, guard, cookie
        self._failed_tokens = FailedTokens()
        self._waiting = 0

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Answer one request, or one WebSocket."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)

        async def send_safely(event: Event) -> None:
            if event["type"] == "http.response.start":
                event = {**event, "headers": [*event.get("headers", ()), *_HEADERS]}
            await send(event)

        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        headers = read_headers(scope)
        if scope["type"] == "http" and self._guard.expects_host(headers) and self._guard.is_token(token):
            return await self._accept_token(token, scope["path"], send_safely)
        refusal = self._refusal(scope["path"], headers)
        if refusal is None:
            return await self._app(scope, receive, send_safely)
        is_refused_token = refusal[0] == HTTPStatus.UNAUTHORIZED
        if is_refused_token and self._guard.has_token(headers, self._cookie, token):
            await self._slow_down(scope)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await answer(send_safely, refusal[0], refusal[1])

    async def _slow_down(self, scope: Event) -> None:
        """Delay the answer to a wrong token, unless many wait: they must not use up all connections."""
        client = scope.get("client") or ("",)
        seconds = self._failed_tokens.count(str(client[0]))
        if self._waiting < MAX_PENDING:
            self._waiting += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self._waiting -= 1

    def _refusal(self, path: str, headers: Message) -> tuple[HTTPStatus, str] | None:
        if not self._guard.expects_host(headers):
            return HTTPStatus.MISDIRECTED_REQUEST, "open this page as http://127.0.0.1 with its port"
        if not self._guard.admits(headers, self._cookie):
            return (
                HTTPStatus.UNAUTHORIZED,
                "open the whole address that was printed; the address ends with a token",
            )
        if path != "/" and not is_own_page(headers):
            return HTTPStatus.FORBIDDEN, "this request came from another page"
        return None

    async def _accept_token(self, token: str, path: str, send: Send) -> None:
        """Move the token from the address bar to a cookie that no script can read."""
        cookie = f"{self._cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
        await answer(send, HTTPStatus.SEE_OTHER, "", {"location": "/", "set-cookie": cookie})


def read_headers(scope: Event) -> Message:
    """Return the headers of a request."""
    headers = Message()
    for name, value in scope["headers"]:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    return headers


async def answer(send: Send, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
    """Answer a request with a line of text."""
    body = f"{text}\n".encode()
    named = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        "connection": "close",
        **(headers or {}),
    }
    lines = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status.value, "headers": lines})
    await send({"type": "http.response.body", "body": body})
