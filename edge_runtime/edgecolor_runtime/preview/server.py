"""The live preview in a browser: the page, its streams, and the one setting that it may change.

GET  /             the page          GET  /stream/color  the colored pictures, multipart JPEG
GET  /statistics   JSON              GET  /stream/gray   the gray pictures, multipart JPEG
GET  /snapshot     one JPEG file     POST /saturation    {"saturation": 0.8}

Where a token is needed, it is a cookie, a bearer token, or `?token=` at the end of the address.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib import resources
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.images import writer
from edgecolor_runtime.images.jpeg import encode_gray, encode_jpeg
from edgecolor_runtime.preview.access import AccessRules, FailedTokens, is_own_page
from edgecolor_runtime.preview.broadcast import Broadcast, EncodedShot
from edgecolor_runtime.preview.http_server import HttpServer, RequestError, RequestHandler, reachable_host
from edgecolor_runtime.system import machine

if TYPE_CHECKING:
    from edgecolor_runtime.inference.colorizer import Colorizer

MAX_SATURATION = 3.0
"""Largest saturation that the page may set."""

VIEWS: dict[str, Callable[[Shot], bytes]] = {
    "color": lambda shot: encode_jpeg(shot.frame),
    "gray": lambda shot: encode_gray(shot.frame.y),
}
"""View -> its JPEG encoder: the colored frame, and the gray frame of the camera."""

_PAGE_FILES = {
    "/": ("preview.html", "text/html; charset=utf-8"),
    "/preview.css": ("preview.css", "text/css; charset=utf-8"),
    "/preview.js": ("preview.js", "text/javascript; charset=utf-8"),
}
_BOUNDARY = "picture"
_BOUNDARY_LINE = f"--{_BOUNDARY}\r\n".encode()
_PART_HEAD = b"Content-Type: image/jpeg\r\n\r\n"
_PLAIN_TEXT = "text/plain; charset=utf-8"


class PreviewControls:
    """What the page reads and sets while the loop runs.

    Args:
        colorizer: the page sets its saturation, from the next frame on.
        read_statistics: returns the statistics as a JSON object, with any keys of `LiveStatistics`. It is
            called from other threads.
    """

    def __init__(self, colorizer: Colorizer, read_statistics: Callable[[], Mapping[str, object]]) -> None:
        self._colorizer = colorizer
        self._read_statistics = read_statistics

    @property
    def saturation(self) -> float:
        """Gain on the predicted ab, 0 (gray) to 3; 1: as the network predicts it."""
        return self._colorizer.saturation

    @saturation.setter
    def saturation(self, gain: float) -> None:
        if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= MAX_SATURATION:
            raise UsageError(f"saturation {gain!r}: expected a number from 0 to {MAX_SATURATION:g}")
        self._colorizer.saturation = float(gain)

    def statistics(self) -> dict[str, Any]:
        """Return the loop's statistics, with `saturation` and `temperature_c` (deg C, or None if unknown)."""
        return {
            **self._read_statistics(),
            "saturation": self.saturation,
            "temperature_c": machine.read_temperature(),
        }


class Preview:
    """A web server that shows colored frames, from its construction until `close`.

    As a context manager it is closed at the end:

        with Preview(controls=PreviewControls(colorizer, lambda: {"model": "s"})) as preview:
            print(preview.address)
            for number, frame in enumerate(camera):
                preview.show(Shot(number, colorizer.colorize(frame.gray), frame.seconds))

    Args:
        controls: what the page reads and sets.
        host: address to listen on. Any address but 127.0.0.1 needs a token.
        port: port to listen on; 0: any free port.
        token: at least 16 letters, digits and - . _ ~; None: a token is generated if one is needed.

    Attributes:
        controls: what the page reads and sets.
        access: what a request needs to be served.
        failed_tokens: counts the wrong tokens of each client.
        pictures: the latest picture and the viewers.
        page: path -> content and media type of the files of the page.

    Raises:
        UsageError: the host, the port or the token is not valid.
        MissingError: the port is in use, or the address does not belong to this machine.
    """

    def __init__(
        self,
        *,
        controls: PreviewControls,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
    ) -> None:
        self.access = AccessRules.for_host(host, token)
        self.failed_tokens = FailedTokens()
        self.controls = controls
        self.pictures = Broadcast(VIEWS)
        folder = resources.files("edgecolor_runtime.preview") / "page"
        self.page = {
            path: ((folder / file).read_bytes(), media_type)
            for path, (file, media_type) in _PAGE_FILES.items()
        }
        self._server = HttpServer(host, port, functools.partial(_PreviewHandler, self))
        self._host = reachable_host(host)

    def __enter__(self) -> Preview:
        """Return the preview itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the preview."""
        self.close()

    @property
    def address(self) -> str:
        """Address to open in a browser. It contains the token if one is needed."""
        query = f"?token={self.access.token}" if self.access.token else ""
        return f"http://{self._host}:{self._server.server_port}/{query}"

    def show(self, shot: Shot) -> None:
        """Make a frame the current picture.

        If somebody watches, the frame is encoded here, once for all viewers, and `shot.times` gets "encode".
        This method does not wait for clients.
        """
        self.pictures.show(shot)

    def close(self) -> None:
        """Disconnect all clients and free the port. May be called twice."""
        if not self.pictures.ended:
            self.pictures.end()
            self._server.close()


class _PreviewHandler(RequestHandler):
    """Handles one request to the preview."""

    def __init__(self, preview: Preview, *connection: Any) -> None:
        self._preview = preview
        super().__init__(*connection)

    @property
    def _cookie(self) -> str:
        return f"edgecolor-{self.server.server_port}"  # a browser shares cookies between the ports of a host

    def respond(self) -> None:
        """Check the access rules, then serve one of the fixed routes."""
        path, _, query = self.path.partition("?")
        access = self._preview.access
        if not access.expects_host(self.headers):
            raise RequestError(HTTPStatus.MISDIRECTED_REQUEST, "open it as http://127.0.0.1, with its port")
        token = parse_qs(query).get("token", [""])[0]
        has_right_query_token = access.is_token(token)
        if has_right_query_token and path in _PAGE_FILES:
            self.admit()
            return self._set_cookie(path, token)
        if not has_right_query_token and not access.admits(self.headers, self._cookie):
            if access.has_token(self.headers, self._cookie, token):
                self.pause(self._preview.failed_tokens.count(self.client_address[0]))
            reason = "open the whole address that edgecolor printed: it ends with a token"
            raise RequestError(HTTPStatus.UNAUTHORIZED, reason, {"WWW-Authenticate": "Bearer"})
        self.admit()
        if path != "/" and not is_own_page(self.headers):
            raise RequestError(HTTPStatus.FORBIDDEN, "requests from other pages are refused")
        if path not in _ROUTES:
            raise RequestError(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        methods, serve = _ROUTES[path]
        if self.command not in methods:
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods)})
        return serve(self, path)

    def _set_cookie(self, path: str, token: str) -> None:
        """Move the token from the address bar to a cookie that scripts cannot read."""
        cookie = f"{self._cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
        headers = {"Location": path, "Set-Cookie": cookie}
        self.send_whole_response(b"", _PLAIN_TEXT, HTTPStatus.SEE_OTHER, headers)

    def _send_page(self, path: str) -> None:
        self.send_whole_response(*self._preview.page[path])

    def _send_statistics(self, _: str) -> None:
        self._send_json(self._preview.controls.statistics())

    def _send_snapshot(self, _: str) -> None:
        picture = self._preview.pictures.latest
        if picture is None:
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "there is no picture yet")
        name = time.strftime("edgecolor-%Y%m%d-%H%M%S.jpg")
        jpeg = encode_jpeg(picture.shot.frame, writer.DEFAULT_QUALITY)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        self.send_whole_response(jpeg, "image/jpeg", headers=headers)

    def _send_stream(self, path: str) -> None:
        """Send the latest picture again and again, until either side ends the stream.

        A client that is slow skips pictures. Programs such as go2rtc, which is part of Frigate, need the
        length of each part. A browser shows a part when the head of the next part arrives, and the length of
        that part is not known then. Our page therefore requests the stream with `?lengths=no`.
        """
        view = path.rpartition("/")[2]
        has_lengths = parse_qs(self.path.partition("?")[2]).get("lengths") != ["no"]
        pictures = self._preview.pictures
        with pictures.watched(view):
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            if self.command == "HEAD":
                return
            self.send(_BOUNDARY_LINE + (b"" if has_lengths else _PART_HEAD))
            last: EncodedShot | None = None
            while not pictures.ended:
                picture = pictures.wait_for_next(last)
                if picture is not None and picture is not last:
                    self.send(_part(picture.jpeg(view), has_lengths))
                elif self.is_disconnected():
                    return
                last = picture

    def _set_saturation(self, _: str) -> None:
        if self.headers.get_content_type() != "application/json":
            raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        controls = self._preview.controls
        try:
            controls.saturation = json.loads(self.read_body())["saturation"]
        except UsageError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from None
        except (ValueError, TypeError, LookupError, RecursionError):
            raise RequestError(HTTPStatus.BAD_REQUEST, 'send {"saturation": number}') from None
        self._send_json({"saturation": controls.saturation})

    def _send_json(self, data: Mapping[str, object]) -> None:
        self.send_whole_response(json.dumps(data).encode(), "application/json")


def _part(jpeg: bytes, has_length: bool) -> bytes:
    """Return a part of a stream up to the next boundary; without a length, up to the end of the next head."""
    if has_length:
        return b"Content-Length: %d\r\n%b%b\r\n%b" % (len(jpeg), _PART_HEAD, jpeg, _BOUNDARY_LINE)
    return b"%b\r\n%b%b" % (jpeg, _BOUNDARY_LINE, _PART_HEAD)


_READ = ("GET", "HEAD")
_ROUTES: dict[str, tuple[tuple[str, ...], Callable[[_PreviewHandler, str], None]]] = {
    **dict.fromkeys(_PAGE_FILES, (_READ, _PreviewHandler._send_page)),
    **{f"/stream/{view}": (_READ, _PreviewHandler._send_stream) for view in VIEWS},
    "/statistics": (_READ, _PreviewHandler._send_statistics),
    "/snapshot": (_READ, _PreviewHandler._send_snapshot),
    "/saturation": (("POST",), _PreviewHandler._set_saturation),
}
