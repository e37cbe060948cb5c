"""The preview over real sockets: its pages and streams, its access rules, and its one setting."""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from edgecolor_runtime import Colorizer, MissingError, UsageError
from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.images.jpeg import encode_gray, encode_jpeg
from edgecolor_runtime.preview import access
from edgecolor_runtime.preview.access import AccessRules
from edgecolor_runtime.preview.http_server import HttpServer
from edgecolor_runtime.preview.server import VIEWS, Preview, PreviewControls

from .preview_client import (
    ask,
    eventually,
    parts,
    parts_without_lengths,
    port_of,
    repeatedly,
    set_saturation,
    watch,
)

ROUTES = ["/", "/preview.css", "/preview.js", "/statistics", "/snapshot", "/stream/color", "/stream/gray"]


def test_page_and_its_files(preview: Preview) -> None:
    page = ask(preview, "/")
    assert (page.status, page.headers.get_content_type()) == (200, "text/html")
    named = re.findall(rb'(?:src|href)="(/[^"]*)"', page.body)
    assert sorted(named) == [b"/preview.css", b"/preview.js", b"/snapshot"]
    assert ask(preview, "/preview.css").headers.get_content_type() == "text/css"
    assert ask(preview, "/preview.js").headers.get_content_type() == "text/javascript"


def test_every_response_has_the_security_headers(preview: Preview) -> None:
    for path in (*ROUTES, "/nothing"):
        headers = ask(preview, path, "HEAD").headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "//" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Python" not in headers["Server"]


@pytest.mark.parametrize(("view", "mode"), [("color", "RGB"), ("gray", "L")])
@pytest.mark.parametrize(("query", "read_parts"), [("", parts), ("?lengths=no", parts_without_lengths)])
def test_a_stream_gives_the_latest_picture_again_and_again(
    preview: Preview,
    shot: Callable[[], Shot],
    view: str,
    mode: str,
    query: str,
    read_parts: Callable[[BinaryIO], Iterator[bytes]],
) -> None:
    frame = shot().frame
    expected = encode_jpeg(frame) if view == "color" else encode_gray(frame.y)
    with (
        repeatedly(lambda: preview.show(shot())),
        watch(preview, view, query=query) as client,
        client.makefile("rb") as file,
    ):
        stream = read_parts(file)
        for _ in range(3):
            assert next(stream) == expected
    with Image.open(io.BytesIO(expected)) as image:
        assert (image.mode, image.size) == (mode, (320, 240))


def test_ffmpeg_reads_the_stream(preview: Preview, shot: Callable[[], Shot]) -> None:
    """Many programs read network cameras with FFmpeg."""
    av = pytest.importorskip("av", reason="no PyAV here")
    with repeatedly(lambda: preview.show(shot())):
        video = av.open(f"{preview.address}stream/color", timeout=20)
        try:
            frames = [frame for frame, _ in zip(video.decode(video=0), range(3), strict=False)]
        finally:
            video.close()
    assert [(frame.width, frame.height) for frame in frames] == [(320, 240)] * 3


def test_a_new_viewer_gets_the_last_picture(preview: Preview, shot: Callable[[], Shot]) -> None:
    last = shot()
    preview.show(last)
    with watch(preview) as client, client.makefile("rb") as file:
        assert next(parts(file)) == encode_jpeg(last.frame)


def test_each_picture_is_encoded_once_and_only_for_viewers(
    preview: Preview, shot: Callable[[], Shot], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: Counter[str] = Counter()

    def counting(view: str, encode: Callable[[Shot], bytes]) -> Callable[[Shot], bytes]:
        def counted(shot: Shot) -> bytes:
            encoded[view] += 1
            return encode(shot)

        return counted

    for view, encode in list(VIEWS.items()):
        monkeypatch.setitem(VIEWS, view, counting(view, encode))
    unseen = shot()
    preview.show(unseen)
    assert not encoded and "encode" not in unseen.times

    clients = [watch(preview) for _ in range(5)]
    files = [client.makefile("rb") for client in clients]
    streams = [parts(file) for file in files]
    for count in range(1, 4):  # the first is the one that was there
        assert len({next(stream) for stream in streams}) == 1
        assert encoded == {"color": count}
        seen = shot()
        preview.show(seen)
        assert seen.times["encode"] > 0
    for file, client in zip(files, clients, strict=True):
        file.close()
        client.close()

    def has_no_viewers() -> bool:
        latest = shot()
        preview.show(latest)
        return "encode" not in latest.times

    assert eventually(has_no_viewers)


def test_statistics(preview: Preview) -> None:
    statistics = json.loads(ask(preview, "/statistics").body)
    assert statistics["fps"] == 29.5
    assert statistics["saturation"] == 1.0
    assert statistics["temperature_c"] is None or -40 < statistics["temperature_c"] < 130


def test_snapshot_is_a_file_of_the_current_picture(preview: Preview, shot: Callable[[], Shot]) -> None:
    assert ask(preview, "/snapshot").status == 503
    current = shot()
    preview.show(current)
    answer = ask(preview, "/snapshot")
    assert answer.body == encode_jpeg(current.frame, 95)
    assert re.fullmatch(
        r'attachment; filename="edgecolor-\d{8}-\d{6}\.jpg"', answer.headers["Content-Disposition"]
    )


def test_saturation_is_set(preview: Preview, live: Colorizer) -> None:
    answer = set_saturation(preview, b'{"saturation": 0.35}')
    assert (answer.status, json.loads(answer.body)) == (200, {"saturation": 0.35})
    assert live.saturation == 0.35
    assert set_saturation(preview, b'{"saturation": 0}').status == 200
    assert live.saturation == 0


BAD_BODIES = [
    *(b"", b"{}", b"[]", b"0.5", b"null", b"{", b"\xff\xfe", b'"saturation"', b"[" * 1000),
    *(
        b'{"saturation": %s}' % value
        for value in (b"-0.1", b"3.1", b"NaN", b"Infinity", b"1e999", b'"1"', b"true", b"null", b"[1]", b"{}")
    ),
]


def test_bad_saturation_is_refused_and_changes_nothing(preview: Preview, live: Colorizer) -> None:
    for body in BAD_BODIES:
        answer = set_saturation(preview, body)
        assert (answer.status, answer.body.count(b"\n")) == (400, 1), body
        assert live.saturation == 1.0, body


def test_a_form_cannot_set_anything(preview: Preview, live: Colorizer) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert set_saturation(preview, b'{"saturation": 0}', Content_Type=media).status == 415
    assert live.saturation == 1.0


def test_head_is_get_without_a_body(preview: Preview, shot: Callable[[], Shot]) -> None:
    preview.show(shot())
    for path in ROUTES:
        answer = ask(preview, path, "HEAD")
        assert (answer.status, answer.body) == (200, b""), path


def test_methods(preview: Preview) -> None:
    refused = ask(preview, "/saturation")
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")
    refused = ask(preview, "/snapshot", "POST", b"{}")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"):
        assert ask(preview, "/", method).status == 501


OTHER_PATHS = [
    *(
        "/../preview.py",
        "/../../../../etc/passwd",
        "/%2e%2e/preview.py",
        "/page/../preview.html",
        "//etc/passwd",
    ),
    *(
        "/preview.html",
        "/preview.js/",
        "/preview.js%00",
        "/stream",
        "/stream/",
        "/stream/../snapshot",
        "/STATISTICS",
    ),
    *("/stream/none", "/favicon.ico", "/\\..\\preview.py", "http://localhost/", "*", "x"),
]


def test_other_paths_are_not_found(preview: Preview) -> None:
    assert {path: ask(preview, path).status for path in OTHER_PATHS} == dict.fromkeys(OTHER_PATHS, 404)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "::1"]
)
def test_another_name_for_this_address_is_refused(preview: Preview, host: str) -> None:
    for path in ("/", "/statistics", "/snapshot"):
        assert ask(preview, path, headers={"Host": host}).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:9000", "[::1]:8000"])
def test_names_of_this_machine(preview: Preview, host: str) -> None:
    assert ask(preview, "/statistics", headers={"Host": host}).status == 200


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:1"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": ""},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_page_reads_and_sets_nothing(
    preview: Preview, live: Colorizer, shot: Callable[[], Shot], headers: dict[str, str]
) -> None:
    preview.show(shot())
    for path in ("/statistics", "/snapshot", "/stream/color"):
        assert ask(preview, path, headers=headers).status == 403
    posted = {"Content-Type": "application/json", **headers}
    assert ask(preview, "/saturation", "POST", b'{"saturation": 0}', posted).status == 403
    assert live.saturation == 1.0


def test_our_own_page_is_served(preview: Preview, live: Colorizer) -> None:
    own = f"http://127.0.0.1:{port_of(preview)}"
    assert (
        set_saturation(preview, b'{"saturation": 2}', Origin=own, Sec_Fetch_Site="same-origin").status == 200
    )
    assert live.saturation == 2
    assert ask(preview, "/statistics", headers={"Sec-Fetch-Site": "none"}).status == 200


@pytest.fixture
def guarded(controls: PreviewControls) -> Iterator[Preview]:
    """A preview for all hosts, with a token."""
    preview = Preview(host="0.0.0.0", port=0, token="right-token-0123456", controls=controls)
    yield preview
    preview.close()


def test_without_the_token_nothing_is_served(guarded: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_DELAY_SECONDS", 0.0)
    wrong = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "right-token-0123456"},
        {"Cookie": "=;;a=b"},
    ]
    cookie = f"edgecolor-{port_of(guarded)}"
    wrong += [
        {"Cookie": f"{cookie}=wrong"},
        {"Cookie": "edgecolor-1=right-token-0123456"},
        {"Cookie": f"{cookie}=ä"},
    ]
    for headers in wrong:
        for path in [
            *ROUTES,
            "/saturation",
            "/nothing",
            "/snapshot?token=wrong",
            "/?token=wrong",
            "/?token=",
            "/?token=%FF",
        ]:
            answer = ask(guarded, path, headers=headers)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert b"token" in answer.body and b"right" not in answer.body
    assert set_saturation(guarded, b'{"saturation": 0}').status == 401


@pytest.mark.parametrize("token", ["a", "fifteen-letters", "ab-"])
def test_a_short_token_is_refused(controls: PreviewControls, token: str) -> None:
    with pytest.raises(UsageError, match=f"this token has {len(token)} characters: use at least 16"):
        Preview(port=0, token=token, controls=controls)


def test_wrong_tokens_are_slowed_down(guarded: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong token from an address takes longer than the one before. A right one is answered at once."""

    def seconds(path: str, status: int) -> float:
        begun = time.monotonic()
        assert ask(guarded, path).status == status
        return time.monotonic() - begun

    pauses: list[float] = []
    pause = HttpServer.pause

    def recorded_pause(self: HttpServer, request: socket.socket, delay: float) -> None:
        pauses.append(delay)
        pause(self, request, delay)

    monkeypatch.setattr(HttpServer, "pause", recorded_pause)
    for number, delay in enumerate((0.5, 1.0, 2.0)):
        assert seconds(f"/?token=wrong{number}", 401) >= delay
    seconds("/statistics", 401)  # a request without a token is not a guess
    seconds("/?token=right-token-0123456", 303)
    assert pauses == [0.5, 1.0, 2.0]


def test_wrong_tokens_are_counted_per_address(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = access.FailedTokens()
    assert [failed.count("192.0.2.1") for _ in range(7)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert failed.count("192.0.2.2") == 0.5
    assert failed.count("::ffff:192.0.2.2") == 1
    assert failed.count("2001:db8::1") == 0.5
    assert failed.count("2001:db8::ffff:2%eth0") == 1, "one client has 64 bits to choose from"
    monkeypatch.setattr(access, "_FORGET_SECONDS", 0.0)
    assert failed.count("192.0.2.1") == 0.5
    for number in range(3000):
        failed.count(f"host {number}")
    assert len(failed._failures) == access._MAX_ADDRESSES


def test_the_token_leaves_the_address_bar_for_a_cookie(guarded: Preview) -> None:
    answer = ask(guarded, "/?token=right-token-0123456")
    assert (answer.status, answer.headers["Location"], answer.body) == (303, "/", b"")
    crumb, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    assert ask(guarded, "/", headers={"Cookie": f"other=1; {crumb}"}).status == 200
    assert set_saturation(guarded, b'{"saturation": 1}', Cookie=crumb).status == 200
    foreign = {"Cookie": crumb, "Sec-Fetch-Site": "cross-site"}
    assert ask(guarded, "/statistics", headers=foreign).status == 403


def test_a_program_without_cookies_gets_pictures_with_the_token_in_the_address(
    guarded: Preview, shot: Callable[[], Shot]
) -> None:
    """Home Assistant, Frigate, OBS and VLC know only an address. They do not keep cookies."""
    guarded.show(shot())
    token = "?token=right-token-0123456"
    snapshot = ask(guarded, f"/snapshot{token}")
    assert (snapshot.status, snapshot.headers.get_content_type()) == (200, "image/jpeg")
    assert "Set-Cookie" not in snapshot.headers
    assert ask(guarded, f"/statistics{token}").status == 200
    for view in ("color", "gray"):
        with watch(guarded, view, query=token) as client, client.makefile("rb") as file:
            assert Image.open(io.BytesIO(next(parts(file)))).size == (320, 240)


def test_the_addresses_in_the_guide_are_served(guarded: Preview, shot: Callable[[], Shot]) -> None:
    guide = (Path(__file__).parents[3] / "docs/how-to/other-programs.md").read_text("utf-8")
    addresses = set(re.findall(r"http://DEVICE:8000(/[^\s`\"#]*)", guide))
    assert len(addresses) == 4
    guarded.show(shot())
    for address in addresses:
        answer = ask(guarded, address.replace("TOKEN", "right-token-0123456"), "HEAD")
        assert answer.status == 200, address


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_page_reads_nothing_with_the_token_in_the_address(
    guarded: Preview, headers: dict[str, str]
) -> None:
    for path in ("/statistics", "/snapshot", "/stream/color"):
        assert ask(guarded, f"{path}?token=right-token-0123456", headers=headers).status == 403


@pytest.mark.parametrize("view", ["color", "gray"])
def test_ffmpeg_reads_the_stream_with_the_token(
    guarded: Preview, shot: Callable[[], Shot], view: str
) -> None:
    av = pytest.importorskip("av", reason="no PyAV here")
    address = f"http://127.0.0.1:{port_of(guarded)}/stream/{view}?token=right-token-0123456"
    with repeatedly(lambda: guarded.show(shot())), av.open(address, timeout=20) as video:
        assert [frame.width for frame, _ in zip(video.decode(video=0), range(3), strict=False)] == [320] * 3


def test_the_token_as_a_bearer_token(guarded: Preview) -> None:
    for scheme in ("Bearer", "bearer"):
        answer = ask(guarded, "/statistics", headers={"Authorization": f"{scheme} right-token-0123456"})
        assert answer.status == 200


def test_the_token_does_not_redirect_elsewhere(guarded: Preview) -> None:
    answer = ask(guarded, "//evil.example/?token=right-token-0123456")
    assert (answer.status, answer.headers["Location"]) == (404, None)


def test_any_host_name_is_accepted_with_a_token(guarded: Preview) -> None:
    headers = {"Host": "camera.example", "Authorization": "Bearer right-token-0123456"}
    assert ask(guarded, "/statistics", headers=headers).status == 200


def test_on_loopback_a_given_token_is_needed(controls: PreviewControls) -> None:
    preview = Preview(port=0, token="mine-0123456789ab", controls=controls)
    try:
        assert preview.address == f"http://127.0.0.1:{port_of(preview)}/?token=mine-0123456789ab"
        assert ask(preview, "/").status == 401
        bearer = {"Authorization": "Bearer mine-0123456789ab"}
        assert ask(preview, "/", headers=bearer).status == 200
        assert ask(preview, "/", headers={**bearer, "Host": "evil.example"}).status == 421
    finally:
        preview.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "pi.local", "127.0.0.2", "::1"])
def test_any_other_host_needs_a_token(host: str) -> None:
    made = {AccessRules.for_host(host, None).token for _ in range(20)}
    assert len(made) == 20 and all(token and len(token) >= 32 for token in made)
    assert AccessRules.for_host(host, "given-0123456789").token == "given-0123456789"


def test_the_address_for_all_hosts_is_reachable_from_others(guarded: Preview) -> None:
    assert re.fullmatch(r"http://[^/]+:\d+/\?token=right-token-0123456", guarded.address)
    assert "0.0.0.0" not in guarded.address


@pytest.mark.skipif(not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_ipv6(controls: PreviewControls) -> None:
    preview = Preview(host="::1", port=0, token="six-0123456789abc", controls=controls)
    try:
        assert preview.address == f"http://[::1]:{port_of(preview)}/?token=six-0123456789abc"
        with socket.create_connection(("::1", port_of(preview)), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer six-0123456789abc\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
    finally:
        preview.close()


@pytest.mark.parametrize("token", ["", " ", "a b", "ä", "a;b", "a\r\nSet-Cookie: x", "a&b"])
def test_a_token_must_fit_into_an_address(controls: PreviewControls, token: str) -> None:
    with pytest.raises(UsageError, match="token"):
        Preview(port=0, token=token, controls=controls)


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_such_port(controls: PreviewControls, port: int) -> None:
    with pytest.raises(UsageError, match=f"port {port}"):
        Preview(port=port, controls=controls)


def test_port_in_use(preview: Preview, controls: PreviewControls) -> None:
    with pytest.raises(MissingError, match=r"in use.*--port") as caught:
        Preview(port=port_of(preview), controls=controls)
    assert caught.value.exit_code == 4 and "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_host_of_another_machine(controls: PreviewControls, host: str) -> None:
    with pytest.raises(MissingError, match=f"{re.escape(host)} port 8000: .*--host"):
        Preview(host=host, controls=controls)


def test_a_host_name_that_is_not_valid(controls: PreviewControls) -> None:
    with pytest.raises(UsageError, match="host"):
        Preview(host="a" * 70, controls=controls)


def test_a_program_that_does_not_close_the_preview_still_ends() -> None:
    code = (
        "from edgecolor_runtime.preview.server import Preview; import sys\n"
        "preview = Preview(port=0, controls=None); sys.exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 7
