"""Live pictures in a browser: the page, its streams, and the little that it may change.

GET  /             the page          GET  /stream/color  multipart JPEG
GET  /statistics   JSON              GET  /stream/gray   what the camera saw, likewise
GET  /snapshot     one JPEG          POST /saturation    {"saturation": 0.8}
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.images import writer
from edgecolor_runtime.images.jpeg import encode_jpeg
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.live.shot import Shot
from edgecolor_runtime.preview.access import Guard, own_page
from edgecolor_runtime.preview.broadcast import VIEWS, Broadcast, Picture
from edgecolor_runtime.preview.http_server import RequestError, Server, Visit, reachable
from edgecolor_runtime.system import machine

LARGEST_SATURATION = 3.0  # that a page may ask for

_PAGE = {
    "/": ("preview.html", "text/html; charset=utf-8"),
    "/preview.css": ("preview.css", "text/css; charset=utf-8"),
    "/preview.js": ("preview.js", "text/javascript; charset=utf-8"),
}
_BOUNDARY = "picture"
_PART = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
_TEXT = "text/plain; charset=utf-8"


class Controls:
    """What the page reads and sets while the loop runs.

    Args:
        colorizer: Whose saturation the page sets, from the next frame on.
        snapshot: The loop's statistics, as something that JSON can say. Called from other threads.
    """

    def __init__(self, colorizer: Colorizer, snapshot: Callable[[], dict[str, Any]]) -> None:
        self._colorizer = colorizer
        self._snapshot = snapshot

    @property
    def saturation(self) -> float:
        """Gain on the predicted ab, 0 (gray) to 3; 1 is what the network says."""
        return self._colorizer.saturation

    @saturation.setter
    def saturation(self, gain: float) -> None:
        if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= LARGEST_SATURATION:
            raise UsageError(f"saturation {gain!r}: expected a number from 0 to {LARGEST_SATURATION:g}")
        self._colorizer.saturation = float(gain)

    def statistics(self) -> dict[str, Any]:
        """The loop's, with the `saturation` and the machine's `temperature_c`, deg C or None."""
        return {
            **self._snapshot(),
            "saturation": self.saturation,
            "temperature_c": machine.read_temperature(),
        }


class Preview:
    """A web server that shows shots, from its construction to `close`.

    Args:
        host: Where to listen. Any address but 127.0.0.1 takes a token.
        port: 0 takes a free one.
        token: Letters, digits and - . _ ~; None makes one where one is needed.
        controls: What the page reads and sets.

    Raises:
        UsageError: The port or the token cannot be one.
        MissingError: The port is in use, or the address is none of this machine.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 8000, token: str | None = None, controls: Controls
    ) -> None:
        self.guard = Guard.of(host, token)
        self.controls = controls
        self.pictures = Broadcast()
        files = resources.files("edgecolor_runtime.preview") / "page"
        self.page = {path: ((files / file).read_bytes(), media) for path, (file, media) in _PAGE.items()}
        self._server = Server(host, port, functools.partial(_PreviewVisit, self))
        self._name = reachable(host)

    @property
    def address(self) -> str:
        """What to open in a browser; it holds the token where one is needed."""
        query = f"?token={self.guard.token}" if self.guard.token else ""
        return f"http://{self._name}:{self._server.server_port}/{query}"

    def show(self, shot: Shot) -> None:
        """Make this the current picture.

        Where somebody watches it is encoded, here and once for all, and `shot.times` gets "encode". No client
        is waited for.
        """
        self.pictures.show(shot)

    def close(self) -> None:
        """Hang up on everybody and free the port; safe to call twice."""
        if not self.pictures.ended:
            self.pictures.end()
            self._server.close()


class _PreviewVisit(Visit):
    """One request to the preview."""

    def __init__(self, preview: Preview, *connection: Any) -> None:
        self._preview = preview
        super().__init__(*connection)

    @property
    def _cookie(self) -> str:
        return f"edgecolor-{self.server.server_port}"  # a browser shares cookies between the ports of a host

    def respond(self) -> None:
        """One of the fixed routes, to who may ask."""
        path, _, query = self.path.partition("?")
        guard = self._preview.guard
        if not guard.expects_host(self.headers):
            raise RequestError(HTTPStatus.MISDIRECTED_REQUEST, "open it as http://127.0.0.1, with its port")
        token = parse_qs(query).get("token", [""])[0]
        if path in _ROUTES and guard.knows(token):
            return self._let_in(path, token)
        if not guard.admits(self.headers, self._cookie):
            why = "open the whole address that edgecolor printed: it ends with a token"
            raise RequestError(HTTPStatus.UNAUTHORIZED, why, {"WWW-Authenticate": "Bearer"})
        if path != "/" and not own_page(self.headers):
            raise RequestError(HTTPStatus.FORBIDDEN, "another page asked for this")
        if path not in _ROUTES:
            raise RequestError(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        methods, answer = _ROUTES[path]
        if self.command not in methods:
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods)})
        return answer(self, path)

    def _let_in(self, path: str, token: str) -> None:
        """Take the token out of the address bar and into a cookie that no script reads."""
        cookie = f"{self._cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
        self.answer(b"", _TEXT, HTTPStatus.SEE_OTHER, {"Location": path, "Set-Cookie": cookie})

    def _page(self, path: str) -> None:
        self.answer(*self._preview.page[path])

    def _statistics(self, _: str) -> None:
        self._answer_json(self._preview.controls.statistics())

    def _snapshot(self, _: str) -> None:
        picture = self._preview.pictures.newest
        if picture is None:
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "there is no picture yet")
        name = time.strftime("edgecolor-%Y%m%d-%H%M%S.jpg")
        jpeg = encode_jpeg(picture.shot.frame, writer.QUALITY)
        self.answer(jpeg, "image/jpeg", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    def _stream(self, path: str) -> None:
        """Every newest picture that the client is quick enough for, until either side ends it.

        A browser shows a part when the next one's head comes, so this head goes out with the part before it.
        """
        view = path.rpartition("/")[2]
        pictures = self._preview.pictures
        with pictures.watched(view):
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            if self.command == "HEAD":
                return
            self.send(_PART)
            last: Picture | None = None
            while not pictures.ended:
                picture = pictures.after(last)
                if picture is not None and picture is not last:
                    self.send(picture.jpeg(view) + b"\r\n" + _PART)
                elif self.gone():
                    return
                last = picture

    def _saturate(self, _: str) -> None:
        if self.headers.get_content_type() != "application/json":
            raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        controls = self._preview.controls
        try:
            controls.saturation = json.loads(self.read_body())["saturation"]
        except UsageError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from None
        except (ValueError, TypeError, LookupError, RecursionError):
            raise RequestError(HTTPStatus.BAD_REQUEST, 'send {"saturation": number}') from None
        self._answer_json({"saturation": controls.saturation})

    def _answer_json(self, data: dict[str, Any]) -> None:
        self.answer(json.dumps(data).encode(), "application/json")


_READ = ("GET", "HEAD")
_ROUTES: dict[str, tuple[tuple[str, ...], Callable[[_PreviewVisit, str], None]]] = {
    **dict.fromkeys(_PAGE, (_READ, _PreviewVisit._page)),
    **{f"/stream/{view}": (_READ, _PreviewVisit._stream) for view in VIEWS},
    "/statistics": (_READ, _PreviewVisit._statistics),
    "/snapshot": (_READ, _PreviewVisit._snapshot),
    "/saturation": (("POST",), _PreviewVisit._saturate),
}
